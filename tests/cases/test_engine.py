"""Cases 99, 100 and 103: what is asked of the engine itself, beside the capability."""

from pathlib import Path

import pytest

from tests.cases.serving import Serve, Served
from tests.e2e.process import run

DOCUMENT = """
ikanos: 1.0.0-beta5
info: {display: Watched, description: Has a control adapter.}
capability:
  exposes:
  - type: control
    port: 9900
    management: {health: true, info: true, scripting: {enabled: true, timeout: 1000}}
    observability: {metrics: {local: {enabled: true}}, traces: {local: {enabled: true}}}
  - type: rest
    namespace: rest
    port: 8080
    resources:
      hello:
        path: /hello
        operations: {hello: {method: GET, outputParameters: {hi: {type: string, value: Hi}}}}
"""


@pytest.fixture
def watched(serve: Serve) -> Served:
    return serve(DOCUMENT)


@pytest.mark.case(
    99,
    differs="the control adapter is accepted with a notice and nothing answers at its port yet;"
    " each listener answers /healthz",
)
@pytest.mark.parametrize(
    "target", ["/health/live", "/health/ready", "/status", "/metrics", "/traces"]
)
def test_a_control_adapter_is_accepted_and_answers_nothing(watched: Served, target: str) -> None:
    notice = watched.finding("I-NOT-SERVED")
    assert notice.pointer == "capability.exposes[0]"
    assert list(watched.urls) == ["rest"]
    assert watched.get(target).status == 404
    assert watched.get("/hello").json == {"hi": "Hi"}
    assert watched.get("/healthz").status == 200


@pytest.mark.case(
    100, differs="no endpoint changes a running engine: limits of scripts are those of the document"
)
@pytest.mark.parametrize("body", [{"timeout": 500}, {"defaultLanguage": "ruby"}])
def test_nothing_changes_scripting_while_it_runs(watched: Served, body: dict[str, object]) -> None:
    assert watched.ask("PUT", "/scripting", body).status == 404


@pytest.mark.case(
    103,
    differs="OpenAPI documents are not imported yet; an import of one is told with its fix",
)
def test_an_openapi_document_is_not_imported(serve: Serve, tmp_path: Path) -> None:
    served = serve(
        DOCUMENT.replace(
            "capability:\n", "capability:\n  consumes: [{openapi: pets, location: ./pets.json}]\n"
        ),
        files={"pets.json": '{"openapi": "3.1.0", "info": {"title": "Pets", "version": "1"}}'},
    )
    finding = served.finding("E-IMPORT-OPENAPI")
    assert finding.pointer == "capability.consumes[0]"
    assert served.get("/hello").status == 200
    assert run("import", "openapi", str(tmp_path / "pets.json")).returncode != 0
