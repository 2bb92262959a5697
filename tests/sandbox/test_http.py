import logging

import pytest

from naftiko_run.sandbox import SANDBOXES
from naftiko_run.sandbox.unkey import ORIGINS, ROOT_KEY
from naftiko_run.sandbox.unkey.operations import OPERATIONS
from tests.sandbox.conftest import Sandbox

JSON = {"authorization": f"Bearer {ROOT_KEY}", "content-type": "application/json"}


def post(sandbox: Sandbox, content: bytes, **headers: str) -> tuple[str, str, str]:
    """Give the text of a refusal, its first fault and its media type."""
    answer = sandbox.client.post(
        "/v2/apis.createApi", content=content, headers={**JSON, "accept": "*/*", **headers}
    )
    assert answer.status_code == 400
    error = answer.json()["error"]
    [fault] = error["errors"]
    assert fault["fix"]
    return error["detail"], fault["message"], answer.headers["content-type"]


def test_a_missing_body_is_told_as_such_and_so_is_one_over_ten_megabytes(
    sandbox: Sandbox,
) -> None:
    empty = (
        "POST request body is empty for '/v2/apis.createApi'",
        "The request body is empty but there is a schema defined",
        "application/json",
    )
    assert post(sandbox, b"") == empty
    limit = 10 * 1024 * 1024
    assert post(sandbox, b'{"name":"' + b"a" * limit + b'"}') == empty
    fits = b'{"name":"' + b"a" * (limit - 11) + b'"}'
    answer = sandbox.client.post("/v2/apis.createApi", content=fits, headers=JSON)
    [fault] = answer.json()["error"]["errors"]
    assert fault["message"] == "maxLength: got 10,485,749, want 256"


def test_a_body_that_is_no_json_is_told_as_such(sandbox: Sandbox) -> None:
    assert post(sandbox, b"{bad") == (
        "POST request body for '/v2/apis.createApi' failed to validate schema",
        (
            "The request body cannot be decoded:"
            " invalid character 'b' looking for beginning of object key string"
        ),
        "application/json",
    )


@pytest.mark.parametrize(
    ("given", "named"),
    [("text/plain", "text/plain"), ("", ""), ("text/html; charset=utf-8", "text/html")],
)
def test_another_media_type_is_told_as_such(sandbox: Sandbox, given: str, named: str) -> None:
    assert post(sandbox, b"{}", **{"content-type": given}) == (
        f"POST operation request content type '{named}' does not exist",
        (
            f"The content type '{named}' of the POST request submitted has not been defined,"
            " it's an unknown type"
        ),
        "application/json",
    )


def test_a_charset_does_no_harm(sandbox: Sandbox) -> None:
    headers = {**JSON, "content-type": "application/json; charset=utf-8"}
    answer = sandbox.client.post("/v2/apis.createApi", content=b'{"name":"abc"}', headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/problem+json"),
        ("text/html, application/*;q=0.5", "application/problem+json"),
        ("application/problem+json", "application/problem+json"),
        ("application/json", "application/json"),
        ("text/html", "application/json"),
    ],
)
def test_a_refusal_after_the_schema_is_a_problem_for_who_takes_problems(
    sandbox: Sandbox, accept: str, media: str
) -> None:
    for headers in (JSON, {**JSON, "authorization": "Bearer nope"}):
        answer = sandbox.client.post(
            "/v2/apis.getApi", json={"apiId": "api_none0"}, headers={**headers, "accept": accept}
        )
        assert answer.status_code in (401, 404)
        assert answer.headers["content-type"] == media


def test_an_answer_is_one_line_of_sorted_json(sandbox: Sandbox) -> None:
    api = sandbox.ok("apis.createApi", {"name": "<a> & \u00e9"})["apiId"]
    answer = sandbox.client.post("/v2/apis.getApi", json={"apiId": api}, headers=JSON)
    assert answer.headers["content-type"] == "application/json"
    request_id = answer.json()["meta"]["requestId"]
    assert (
        answer.content
        == (
            f'{{"data":{{"id":"{api}","name":"\\u003ca\\u003e \\u0026 \u00e9"}},'
            f'"meta":{{"requestId":"{request_id}"}}}}'
        ).encode()
    )


@pytest.mark.parametrize(
    "path", ["/", "/v2", "/v2/nope.nope", "/v2/apis.createApi/", "/v2/apis.createapi", "/v2/"]
)
def test_any_other_path_is_not_found(sandbox: Sandbox, path: str) -> None:
    answer = sandbox.client.post(path, json={}, headers=JSON)
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", [*OPERATIONS, "/v2/liveness"])
def test_any_other_method_is_not_allowed(sandbox: Sandbox, path: str) -> None:
    method, allowed = ("POST", "GET, HEAD") if path == "/v2/liveness" else ("GET", "POST")
    answer = sandbox.client.request(method, path)
    assert (answer.status_code, answer.text) == (405, "Method Not Allowed\n")
    assert answer.headers["allow"] == allowed
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_query_string_is_ignored(sandbox: Sandbox) -> None:
    answer = sandbox.client.post("/v2/apis.createApi?x=1", json={"name": "abc"}, headers=JSON)
    assert answer.status_code == 200


def test_it_lives_for_everybody(sandbox: Sandbox) -> None:
    answer = sandbox.client.get("/v2/liveness")
    assert answer.json()["data"] == {"message": "we're cooking"}
    answer = sandbox.client.head("/v2/liveness")
    assert (answer.status_code, answer.content) == (200, b"")


def test_analytics_are_not_configured(sandbox: Sandbox) -> None:
    status, answer = sandbox.post("analytics.getVerifications", {"query": "nonsense", "x": 1})
    assert status == 412
    assert answer["error"] == {
        "detail": "Analytics are not configured for this instance",
        "status": 412,
        "title": "Precondition Failed",
        "type": "https://unkey.com/docs/errors/unkey/data/analytics_not_configured",
    }


def test_a_failure_of_the_sandbox_says_nothing_of_itself(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with sandbox.store.db.writing():
        sandbox.store.db.run("DROP TABLE apis")
    with caplog.at_level(logging.ERROR):
        status, answer = sandbox.post("apis.createApi", {"name": "abc"})
    assert status == 500
    assert answer["error"] == {
        "detail": "An unexpected error occurred.",
        "status": 500,
        "title": "Internal Server Error",
        "type": "https://unkey.com/docs/errors/unkey/application/unexpected_error",
    }
    assert "no such table" in caplog.text


def test_it_works_without_its_lifespan() -> None:
    sandbox = Sandbox()
    assert sandbox.api()
    sandbox.store.close()


def test_the_real_origin_leads_here() -> None:
    for origin in ORIGINS:
        assert SANDBOXES[origin] == "naftiko_run.sandbox.unkey"
