"""Which header fields of a caller reach an upstream: never those that it authenticates with."""

import pytest

from naftiko_run.exposes.rest import RestFace
from naftiko_run.plan import Options, compile_plan
from naftiko_run.spec.document import Loaded
from tests.spec.documents import Recorder, document

pytestmark = pytest.mark.anyio

SENT = {
    "x-api-key": "s3cret",
    "authorization": "Bearer s3cret",
    "cookie": "s=s3cret",
    "proxy-authorization": "s3cret",
    "x-trace": "t",
}
APIKEY = "authentication: {type: apikey, key: X-API-Key, value: s3cret, placement: header},"


async def forwarded(
    name: str, *, authentication: str = APIKEY, clause: str = "", declared: str = ""
) -> str | None:
    """Send every field to a route whose operation takes one; gives what the upstream gets."""
    found, findings = document(f"""
        naftiko: 1.0.0-alpha2
        capability:
          consumes:
          - type: http
            namespace: up
            baseUri: https://a.test
            inputParameters: [{{name: "{name}", in: header}}]
            resources: [{{path: /x, operations: [{{name: x, method: GET}}]}}]
          exposes:
          - {{type: rest, namespace: r, {authentication} resources: [{{path: /x, operations: [
              {{method: GET, call: up.x, {clause} {declared}}}]}}]}}
    """)
    loaded = Loaded(file="a.yaml", document=found, consumes=found.consumes, findings=findings)
    client = Recorder()
    plan = compile_plan([loaded], Options(), client)
    face = RestFace(plan.listeners[0].routes, ("r",))
    statuses: list[int] = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/x",
        "query_string": b"",
        "headers": [(field.encode(), value.encode()) for field, value in SENT.items()],
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, object]) -> None:
        if isinstance(status := message.get("status"), int):
            statuses.append(status)

    await face(scope, receive, send)  # type: ignore[arg-type]
    assert statuses == [200]
    return dict(client.requests[0].headers).get(name)


@pytest.mark.parametrize("name", ["X-API-Key", "Authorization", "Cookie", "Proxy-Authorization"])
async def test_what_a_caller_authenticates_with_is_bound_to_nothing_by_its_name(name: str) -> None:
    assert await forwarded(name) is None
    declared = f'inputParameters: [{{name: "{name}", in: header, type: string}}]'
    assert await forwarded(name, declared=declared) is None


@pytest.mark.parametrize("name", ["X-API-Key", "Authorization"])
async def test_it_is_passed_on_where_the_spec_says_so(name: str) -> None:
    clause = f'with: {{"{name}": rest.header.{name}}},'
    assert await forwarded(name, clause=clause) == SENT[name.lower()]


async def test_other_header_fields_are_bound_by_their_name() -> None:
    assert await forwarded("X-Trace") == "t"
    assert await forwarded("X-API-Key", authentication="") == "s3cret"
