"""A path and a URI of the same template say the same."""

import pytest

from naftiko_run.exposes.mcp_resources import Template
from naftiko_run.exposes.router import Router


@pytest.mark.parametrize(
    ("template", "asked", "values"),
    [
        ("{a}-{b}", "1-2", {"a": "1", "b": "2"}),
        ("{a}-{b}", "1-2-3", {"a": "1-2", "b": "3"}),
        ("{a}-{b}", "1--3", {"a": "1-", "b": "3"}),
        ("{a}-{b}", "--1", {"a": "-", "b": "1"}),
        ("{a}-{b}", "1--", {"a": "1", "b": "-"}),
        ("{a}-{b}", "1-", None),
        ("{a}-{b}", "-1", None),
        ("{a}-{b}", "-", None),
        ("v{a}.{b}.json", "v1.2.3.json", {"a": "1.2", "b": "3"}),
        ("v{a}.{b}.json", "v1.json", None),
        ("{a}.{b}", "caf%C3%A9.%7B", {"a": "caf\u00e9", "b": "{"}),
    ],
)
def test_a_template_takes_a_path_and_a_uri_apart_in_one_way(
    template: str, asked: str, values: dict[str, str] | None
) -> None:
    router: Router[str] = Router()
    router.add(f"/x/{template}", "GET", "found")
    best = router.best(f"/x/{asked}".encode(), "GET")
    assert (best and dict(best[1])) == values
    assert Template(f"data://x/{template}").match(f"data://x/{asked}") == values
