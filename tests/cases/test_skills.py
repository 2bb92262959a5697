"""Cases 94 to 98: skills over HTTP and MCP, their files, and nothing else of the machine."""

import base64
import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
import yaml
from mcp import Client
from pydantic import BaseModel, ConfigDict

from naftiko_run.exposes import skills as face
from naftiko_run.exposes.mcp_methods import changes
from naftiko_run.exposes.units import Skill, ToolServer
from tests.cases.serving import Serve, Served
from tests.e2e.wire import Json, free_port

ROOT = Path(__file__).parents[2]
CORPUS = Path(os.environ.get("NAFTIKO_CORPUS") or ROOT.parent / "shared" / "corpus-sample")
API = """
naftiko: "1.0.0-alpha2"
info: {label: Orders, description: Orders.}
capability:
  consumes:
  - type: http
    namespace: shop
    description: A shop.
    baseUri: http://shop.test
    resources: [{name: o, path: /orders, operations: [{name: list-orders, method: GET}]}]
  exposes:
  - type: rest
    namespace: orders-rest
    port: 8080
    resources:
    - {name: o, path: /orders, operations: [
        {name: list-orders, method: GET, description: All orders., call: shop.list-orders}]}
  - type: mcp
    namespace: orders-mcp
    port: 9090
    tools: [{name: find-orders, description: Finds orders., call: shop.list-orders}]
"""
ORDERS = """
    - name: order-management
      description: Manage orders.
      license: Apache-2.0
      compatibility: Any host.
      metadata: {author: shop}
      argument-hint: "[order-id]"
      allowed-tools: list-orders, Bash(git add:*)
      user-invocable: false
      location: file:///./skills/orders
      tools:
      - {name: list-orders, description: Lists., from: {
          sourceNamespace: orders-rest, action: list-orders}}
      - {name: order-guide, description: How to order., instruction: order-guide.md}
"""
GUIDE = """
    - {name: onboarding-guide, description: Begin here.}
"""
BY_MCP = """
    - name: finding
      description: Find orders.
      tools: [{name: find-orders, from: {sourceNamespace: orders-mcp, action: find-orders}}]
"""
FILES: dict[str, str | bytes] = {
    "skills/orders/order-guide.md": "# Ordering é\n",
    "skills/orders/deep/a b.bin": b"\xff\x00",
    "skills/orders/page.html": "<script>alert(1)</script>",
    "skills/orders/.env": "SECRET",
    "secret.txt": "SECRET",
}


def document(*skills: str, adapter: str = "", more: str = "") -> str:
    head = "  - type: skill\n    namespace: skills\n    port: 3011\n"
    return f"{API}{more}{head}{adapter}    skills:{''.join(skills)}"


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(document(ORDERS, GUIDE), files=FILES)


def get(served: Served, target: str, **headers: str) -> Json:
    answer = served.get(target, adapter="skills", **headers)
    assert answer.status == 200, answer
    return answer.json


# ---------------------------------------------------------------------------------------- HTTP


@pytest.mark.case(
    94,
    differs="below its namespace too, on a port that others may share; MCP adapters offer them",
)
def test_skills_are_listed_in_their_order(served: Served) -> None:
    assert served.codes == []
    assert get(served, "/skills") == {
        "count": 2,
        "skills": [
            {
                "name": "order-management",
                "description": "Manage orders.",
                "license": "Apache-2.0",
                "tools": ["list-orders", "order-guide"],
            },
            {"name": "onboarding-guide", "description": "Begin here.", "tools": []},
        ],
    }
    assert get(served, "/skills/skills") == get(served, "/skills/") == get(served, "/skills")


@pytest.mark.case(
    95,
    differs="`allowed-tools` has spaces between its names, however it is written",
)
def test_a_skill_is_described_with_what_its_tools_stand_for(served: Served) -> None:
    assert get(served, "/skills/order-management") == {
        "name": "order-management",
        "description": "Manage orders.",
        "license": "Apache-2.0",
        "compatibility": "Any host.",
        "argument-hint": "[order-id]",
        "allowed-tools": "list-orders Bash(git add:*)",
        "user-invocable": False,
        "metadata": {"author": "shop"},
        "tools": [
            {
                "name": "list-orders",
                "description": "Lists.",
                "type": "derived",
                "invocationRef": {
                    "targetNamespace": "orders-rest",
                    "action": "list-orders",
                    "mode": "rest",
                },
            },
            {
                "name": "order-guide",
                "description": "How to order.",
                "type": "instruction",
                "instruction": "order-guide.md",
            },
        ],
    }


@pytest.mark.case(96)
def test_a_skill_without_tools_is_described_and_an_unknown_one_is_not_there(
    served: Served,
) -> None:
    assert get(served, "/skills/onboarding-guide")["tools"] == []
    for path in ("unknown-skill", "unknown-skill/contents", "onboarding-guide/contents"):
        served.get(f"/skills/{path}", adapter="skills").problem(404)
    for path in (
        "onboarding-guide/download",
        "order-management/more",
        "order-management/download/x",
    ):
        served.get(f"/skills/{path}", adapter="skills").problem(404)


@pytest.mark.case(
    97,
    differs="hidden files, and links that lead out of the folder, are not there",
)
def test_the_files_of_a_skill_are_listed_and_read(served: Served) -> None:
    assert get(served, "/skills/order-management/contents") == {
        "name": "order-management",
        "files": [
            {"path": "deep/a b.bin", "size": 2, "type": "application/octet-stream"},
            {"path": "order-guide.md", "size": 14, "type": "text/markdown"},
            {"path": "page.html", "size": 25, "type": "text/html"},
        ],
    }
    guide = served.get("/skills/order-management/contents/order-guide.md", adapter="skills")
    assert guide.body == b"# Ordering \xc3\xa9\n"
    assert guide.headers["content-type"] == "text/markdown; charset=utf-8"
    assert guide.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in guide.headers["content-security-policy"]
    blob = served.get("/skills/skills/order-management/contents/deep/a%20b.bin", adapter="skills")
    assert (blob.body, blob.headers["content-length"]) == (b"\xff\x00", "2")


@pytest.mark.case(97)
@pytest.mark.parametrize(
    "path",
    [
        "..%2f",
        "..%2fsecret.txt",
        "..%2f..%2fsecret.txt",
        "../../secret.txt",
        "..",
        ".",
        "deep/../order-guide.md",
        "deep%2fa%20b.bin",
        "%2e%2e/%2e%2e/secret.txt",
        "..%5c..%5csecret.txt",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "order-guide.md%00.txt",
        "order-guide.md/",
        "%ff",
    ],
)
def test_no_path_leads_out_of_the_folder(served: Served, path: str) -> None:
    answer = served.get(f"/skills/order-management/contents/{path}", adapter="skills")
    answer.problem(400)
    assert b"SECRET" not in answer.body


@pytest.mark.case(97)
@pytest.mark.parametrize("path", [".env", "deep", "none.md", "order-guide.md/x", "x" * 5000])
def test_what_is_hidden_or_no_file_is_not_there(served: Served, path: str) -> None:
    served.get(f"/skills/order-management/contents/{path}", adapter="skills").problem(404)


def test_links_are_followed_as_far_as_they_stay_in_the_folder(
    served: Served, tmp_path: Path
) -> None:
    folder = tmp_path / "skills" / "orders"
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "away").symlink_to(tmp_path)
    (folder / "round").symlink_to(folder)
    (folder / "alias.md").symlink_to(folder / "order-guide.md")
    listed = get(served, "/skills/order-management/contents")["files"]
    paths = ["alias.md", "deep/a b.bin", "order-guide.md", "page.html"]
    assert [file["path"] for file in listed] == paths
    for path in ("out.txt", "away/secret.txt"):
        served.get(f"/skills/order-management/contents/{path}", adapter="skills").problem(404)
    assert archive(served).namelist() == paths


def archive(served: Served) -> zipfile.ZipFile:
    answer = served.get("/skills/order-management/download", adapter="skills")
    assert (answer.status, answer.media_type) == (200, "application/zip"), answer
    return zipfile.ZipFile(io.BytesIO(answer.body))


def test_a_download_has_every_file_and_is_the_same_each_time(
    served: Served, tmp_path: Path
) -> None:
    large = bytes(range(256)) * 4096 + b"end"
    (tmp_path / "skills" / "orders" / "large.bin").write_bytes(large)
    packed = archive(served)
    assert packed.testzip() is None
    found = {name: packed.read(name) for name in packed.namelist()}
    assert found == {
        "deep/a b.bin": b"\xff\x00",
        "large.bin": large,
        "order-guide.md": b"# Ordering \xc3\xa9\n",
        "page.html": b"<script>alert(1)</script>",
    }
    target = "/skills/order-management/download"
    first, second = (served.get(target, adapter="skills") for _ in range(2))
    assert first.body == second.body
    assert first.headers["content-disposition"].endswith("order-management.zip")
    for file in (tmp_path / "skills" / "orders").rglob("*"):
        file.touch()
    assert served.get(target, adapter="skills").body == first.body


def test_too_much_is_not_packed_and_can_still_be_read(served: Served, tmp_path: Path) -> None:
    huge = tmp_path / "skills" / "orders" / "huge.bin"
    with huge.open("wb") as opened:
        opened.truncate(face.MOST_ARCHIVED)
    problem = served.get("/skills/order-management/download", adapter="skills").problem(501)
    assert "one by one" in problem["detail"]
    served.get("/skills/order-management/contents/order-guide.md", adapter="skills")
    head = served.ask(
        "HEAD", "/skills/order-management/contents/huge.bin", adapter="skills", connection="close"
    )
    assert head.headers["content-length"] == str(face.MOST_ARCHIVED)


@pytest.mark.parametrize(
    "target",
    [
        "/skills",
        "/skills/order-management",
        "/skills/order-management/contents",
        "/skills/order-management/contents/order-guide.md",
        "/skills/order-management/download",
    ],
)
def test_skills_are_read_alone_and_known_answers_are_not_sent_again(
    served: Served, target: str
) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = served.ask(method, target, adapter="skills")
        answer.problem(405)
        assert answer.headers["allow"] == "GET, HEAD"
    first = served.get(target, adapter="skills")
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = served.get(target, adapter="skills", if_none_match=known)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert served.get(target, adapter="skills", if_none_match='"other"').body == first.body
    head = served.ask("HEAD", target, adapter="skills", connection="close")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", tag)


def test_names_with_odd_characters_are_found(serve: Serve) -> None:
    odd = '\n    - {name: "é /?#%\\"\'", description: Odd.}'
    served = serve(document(odd), files=FILES)
    assert "W-SKILL-NAME" in served.codes
    path = "/skills/%C3%A9%20%2F%3F%23%25%22%27"
    assert get(served, path)["name"] == "é /?#%\"'"
    served.get(f"{path}/download", adapter="skills").problem(404)


def test_skills_ask_for_credentials_before_anything_else(serve: Serve) -> None:
    asking = "    authentication: {type: bearer, token: secret}\n"
    served = serve(document(ORDERS, adapter=asking), files=FILES)
    for target in ("/skills", "/skills/none", "/skills/order-management/contents/..%2f"):
        answer = served.get(target, adapter="skills")
        answer.problem(401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
    answer = served.get("/skills", adapter="skills", authorization="Bearer secret")
    assert (answer.status, answer.headers["cache-control"]) == (200, "private, no-cache")


def test_a_listener_is_shared_with_routes_tools_and_other_skills(serve: Serve) -> None:
    more = "  - {type: skill, namespace: more, skills: [{name: other, description: Other.}]}\n"
    port = free_port()
    names = ("orders-rest", "orders-mcp", "skills", "more")
    served = serve(document(ORDERS, more=more), files=FILES, ports=dict.fromkeys(names, port))
    assert len(set(served.urls.values())) == 1
    assert get(served, "/more/skills")["skills"][0]["name"] == "other"
    assert get(served, "/skills/skills/order-management")["name"] == "order-management"
    for target in ("/skills", "/skills/other"):
        problem = served.get(target, adapter="skills").problem(409)
        assert problem["routes"] == ["/more/skills", "/skills/skills"]
    assert served.get("/orders", adapter="orders-rest").status == 200
    assert list(served.tools("orders-mcp")) == ["find-orders"]
    served.get("/orders-rest/skills", adapter="skills").problem(404)


def test_a_route_of_the_same_path_is_the_routes(serve: Serve) -> None:
    port = free_port()
    text = document(ORDERS).replace(
        "path: /orders, operations: [\n", "path: '/{a}', operations: [\n"
    )
    served = serve(text, files=FILES, ports={"orders-rest": port, "skills": port})
    assert served.get("/skills", adapter="skills").body != b""
    assert served.upstream.received, "the route answered"
    assert get(served, "/skills/skills")["count"] == 1


# ------------------------------------------------------------------------------------ findings


@pytest.mark.case(
    98,
    differs="what is wrong is told with its place and left out, and the rest is served; the"
    " reference does not start",
)
@pytest.mark.parametrize(
    ("tool", "location", "code", "message"),
    [
        (
            "{name: t, instruction: a.md, from: {sourceNamespace: orders-mcp, action: x}}",
            True,
            "E-SKILL-TOOL",
            "the tool 't' has both 'from' and 'instruction'",
        ),
        (
            "{name: t, description: T.}",
            True,
            "E-SKILL-TOOL",
            "the tool 't' has neither 'from' nor 'instruction'",
        ),
        (
            "{name: t, description: T., from: {sourceNamespace: orders-mpc, action: x}}",
            True,
            "E-SKILL-SOURCE",
            "no REST or MCP adapter 'orders-mpc' in this document",
        ),
        (
            "{name: t, description: T., from: {sourceNamespace: skills, action: x}}",
            True,
            "E-SKILL-SOURCE",
            "no REST or MCP adapter 'skills' in this document",
        ),
        (
            "{name: t, description: T., instruction: order-guide.md}",
            False,
            "E-SKILL-INSTRUCTION",
            "the instruction 'order-guide.md' needs the folder that it lies in",
        ),
        (
            "{name: t, description: T., instruction: none.md}",
            True,
            "E-SKILL-INSTRUCTION",
            "the folder 'file:///./skills/orders' has no file 'none.md' that may be read",
        ),
        (
            "{name: t, description: T., instruction: ../../secret.txt}",
            True,
            "E-SKILL-INSTRUCTION",
            "'../../secret.txt' is no file of the skill's folder",
        ),
        (
            "{name: t, description: T., instruction: .env}",
            True,
            "E-SKILL-INSTRUCTION",
            "'.env' is no file of the skill's folder",
        ),
        (
            "{name: t, description: T., instruction: /etc/passwd}",
            True,
            "E-SKILL-INSTRUCTION",
            "'/etc/passwd' is no file of the skill's folder",
        ),
    ],
)
def test_a_tool_that_is_wrong_is_told_and_left_out(
    serve: Serve, tool: str, location: bool, code: str, message: str
) -> None:
    folder = "location: file:///./skills/orders, " if location else ""
    good = "{name: good, description: G., from: {sourceNamespace: orders-mcp, action: find-orders}}"
    skill = f"\n    - {{name: s, description: S., {folder}tools: [{tool}, {good}]}}"
    served = serve(document(skill), files=FILES)
    finding = served.finding(code)
    assert (finding.severity, finding.message) == ("error", message)
    assert finding.path[:6] == ("capability", "exposes", 2, "skills", 0, "tools")
    assert get(served, "/skills")["skills"][0]["tools"] == ["good"]


@pytest.mark.case(
    98,
    differs="what is wrong is told with its place and left out, and the rest is served; the"
    " reference does not start",
)
def test_an_unknown_source_is_told_with_those_there_are(serve: Serve) -> None:
    tool = "{name: t, description: T., from: {sourceNamespace: orders-mpc, action: x}}"
    served = serve(document(f"\n    - {{name: s, description: S., tools: [{tool}]}}"))
    fix = served.finding("E-SKILL-SOURCE").fix
    assert fix == "did you mean 'orders-mcp'? there is 'orders-mcp', 'orders-rest'"


def test_an_unknown_action_is_told_and_the_tool_is_listed(serve: Serve) -> None:
    tool = "{name: t, from: {sourceNamespace: orders-mcp, action: find-order}}"
    served = serve(document(f"\n    - {{name: s, description: S., tools: [{tool}]}}"))
    finding = served.finding("W-SKILL-ACTION")
    assert finding.message == "no tool 'find-order' in 'orders-mcp'"
    assert finding.fix.startswith("did you mean 'find-orders'?")
    assert get(served, "/skills/s")["tools"][0]["invocationRef"]["action"] == "find-order"


def test_a_folder_that_is_not_there_leaves_a_skill_that_is_described(serve: Serve) -> None:
    skill = "\n    - {name: s, description: S., location: file:///opt/none/such}"
    served = serve(document(skill))
    assert served.codes == ["W-SKILL-LOCATION"]
    assert get(served, "/skills/s")["tools"] == []
    served.get("/skills/s/contents", adapter="skills").problem(404)


def test_a_tool_is_described_by_its_source_and_a_name_given_twice_is_told(serve: Serve) -> None:
    served = serve(document(BY_MCP, BY_MCP))
    assert served.codes.count("E-SKILL-NAME") == 1
    assert get(served, "/skills")["count"] == 1
    (tool,) = get(served, "/skills/finding")["tools"]
    assert tool["description"] == "Finds orders."


# ----------------------------------------------------------------------------------------- MCP


class Result(BaseModel):
    """Whatever an extension's method answers."""

    model_config = ConfigDict(extra="allow")


Ask = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


def over_mcp(
    served: Served,
    mode: str,
    use: Callable[[Client, Ask], Awaitable[Any]],
    adapter: str = "orders-mcp",
) -> Any:  # noqa: ANN401 - what the use gives
    async def connected(client: Client) -> Any:  # noqa: ANN401 - as above
        async def asked(method: str, params: dict[str, Any]) -> dict[str, Any]:
            request = types.Request[dict[str, Any], str](method=method, params=params)
            result = await client.session.send_request(request, Result)
            return result.model_dump()

        return await use(client, asked)

    return served.mcp(connected, adapter=adapter, mode=mode)


MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])
WRITTEN = """---
name: written
description: >-
  Written by
  hand.
version: 1.5
allowed-tools: a b
---
# By hand
"""


@MODES
def test_mcp_clients_find_skills_and_verify_their_files(serve: Serve, mode: str) -> None:
    written = "\n    - {name: written, description: W., location: file:///./skills/written}"
    files = {**FILES, "skills/written/SKILL.md": WRITTEN}
    served = serve(document(ORDERS, BY_MCP, written), files=files)
    assert served.codes == []

    async def use(client: Client, ask: Ask) -> None:
        declared = client.server_capabilities.extensions or {}
        if mode == "auto":  # the SDK's client does not read them in the older revisions
            assert declared == {"io.modelcontextprotocol/skills": {}}
        listed = (await ask("skills/list", {}))["skills"]
        assert [each["uri"] for each in listed] == [
            "skill://order-management/SKILL.md",
            "skill://finding/SKILL.md",
            "skill://written/SKILL.md",
        ]
        assert [r["uri"].removeprefix("skill://") for r in listed[0]["resources"]] == [
            "order-management/SKILL.md",
            "order-management/deep/a%20b.bin",
            "order-management/order-guide.md",
            "order-management/page.html",
        ]
        for each in listed:
            for resource in each["resources"]:
                body = await read(client, resource["uri"])
                assert len(body) == resource["size"]
                assert f"sha256:{hashlib.sha256(body).hexdigest()}" == resource["digest"]
                if resource["uri"] == each["uri"]:
                    front = yaml.safe_load(body.decode().split("---\n")[1])
                    assert front == each["frontmatter"]
            got = await ask("skills/get", {"uri": each["uri"]})
            assert got["skill"] == each
        assert listed[2]["frontmatter"] == {
            "name": "written",
            "description": "Written by hand.",
            "version": 1.5,
            "allowed-tools": "a b",
        }
        resources = (await client.list_resources()).resources
        assert [resource.uri for resource in resources] == [each["uri"] for each in listed]

    over_mcp(served, mode, use)


async def read(client: Client, uri: str) -> bytes:
    (content,) = (await client.read_resource(uri)).contents
    if isinstance(content, types.TextResourceContents):
        return content.text.encode()
    return base64.b64decode(content.blob)


@MODES
def test_a_skill_without_a_file_of_its_own_gets_one_made_of_the_document(
    serve: Serve, mode: str
) -> None:
    served = serve(document(ORDERS, BY_MCP), files=FILES)

    async def use(client: Client, _: Ask) -> list[str]:
        uris = ("skill://order-management/SKILL.md", "skill://finding/SKILL.md")
        return [(await read(client, uri)).decode() for uri in uris]

    orders, finding = over_mcp(served, mode, use)
    assert orders == (
        '---\nname: "order-management"\ndescription: "Manage orders."\nlicense: "Apache-2.0"\n'
        'compatibility: "Any host."\nmetadata: {"author": "shop"}\n'
        'allowed-tools: "list-orders Bash(git add:*)"\nargument-hint: "[order-id]"\n'
        "user-invocable: false\n---\n\n# order-management\n\nManage orders.\n\n## Tools\n\n"
        "- `list-orders`: Lists. Send `GET /orders` to the REST adapter `orders-rest`.\n"
        "- `order-guide`: How to order. Read [order-guide.md](<order-guide.md>).\n"
    )
    assert (
        "- `find-orders`: Finds orders. Call the MCP tool `find-orders` of `orders-mcp`." in finding
    )


@MODES
@pytest.mark.parametrize(
    "uri",
    [
        "skill://order-management/../../secret.txt",
        "skill://order-management/..%2f..%2fsecret.txt",
        "skill://order-management/.env",
        "skill://order-management/deep%2fa%20b.bin",
        "skill://order-management/",
        "skill://order-management",
        "skill://none/SKILL.md",
        "skill://order-managementx/order-guide.md",
    ],
)
def test_no_uri_leads_out_of_a_skill(serve: Serve, mode: str, uri: str) -> None:
    served = serve(document(ORDERS), files=FILES)

    async def use(client: Client, ask: Ask) -> list[int]:
        codes = []
        for asked in (client.read_resource(uri), ask("skills/get", {"uri": uri})):
            with pytest.raises(Exception) as error:  # noqa: PT011 - of the SDK
                await asked
            codes.append(error.value.error.code)  # type: ignore[attr-defined]
        return codes

    assert over_mcp(served, mode, use) == [-32602, -32602]


@MODES
def test_without_skills_the_extension_is_not_there(serve: Serve, mode: str) -> None:
    served = serve(API)

    async def use(client: Client, ask: Ask) -> tuple[Any, int]:
        with pytest.raises(Exception) as error:  # noqa: PT011 - of the SDK
            await ask("skills/list", {})
        return client.server_capabilities.extensions, error.value.error.code  # type: ignore[attr-defined]

    assert over_mcp(served, mode, use) == (None, -32601)


def test_both_eras_are_told_of_the_extension_on_the_wire(serve: Serve) -> None:
    served = serve(document(GUIDE))
    found = served.rpc({"method": "server/discover"}, adapter="orders-mcp").json["result"]
    assert found["capabilities"]["extensions"] == {"io.modelcontextprotocol/skills": {}}
    params: Json = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "x", "version": "1"},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    for space in (b"", b" "):  # what is unusual is answered by the SDK
        body = space + json.dumps(message).encode()
        answer = served.ask(
            "POST",
            "/mcp",
            body,
            adapter="orders-mcp",
            accept="application/json, text/event-stream",
            content_type="application/json",
        )
        found = answer.json["result"]["capabilities"]
        assert found["extensions"] == {"io.modelcontextprotocol/skills": {}}, space


def test_a_file_that_changes_has_another_digest_and_too_many_have_none(
    serve: Serve, tmp_path: Path
) -> None:
    served = serve(document(ORDERS), files=FILES)
    guide = tmp_path / "skills" / "orders" / "order-guide.md"

    def manifest() -> Any:  # noqa: ANN401 - JSON
        got = served.rpc(
            {"method": "skills/get", "params": {"uri": "skill://order-management/SKILL.md"}},
            adapter="orders-mcp",
        )
        return got.json["result"]["skill"]["resources"]

    def digest() -> str:
        return next(str(r["digest"]) for r in manifest() if r["uri"].endswith("order-guide.md"))

    before = digest()
    guide.write_text("changed, and longer than it was")
    assert digest() == f"sha256:{hashlib.sha256(guide.read_bytes()).hexdigest()}" != before
    for number in range(512):
        (guide.parent / f"{number}.md").touch()
    assert manifest() == "dynamic"


def test_many_skills_are_on_several_pages(serve: Serve) -> None:
    skills = "".join(f"\n    - {{name: s{n}, description: S.}}" for n in range(1001))
    served = serve(document(skills))

    def page(**params: str) -> Json:
        asked = {"method": "skills/list", "params": params}
        return served.rpc(asked, adapter="orders-mcp").json["result"]

    first = page()
    second = page(cursor=first["nextCursor"])
    assert [len(first["skills"]), len(second["skills"])] == [1000, 1]
    assert "nextCursor" not in second


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("# No front matter\n", "has no front matter"),
        ("---\nname: [\n---\nBody\n", "is no YAML"),
        ("---\nname: Not Valid\ndescription: D.\n---\nBody\n", "has no 'name'"),
        ("---\nname: s\n---\nBody\n", "has no 'description'"),
        ("---\n- a\n---\nBody\n", "is no mapping"),
        (b"\xff\xfe", "is not UTF-8"),
        ("---\nname: other\ndescription: D.\n---\nBody\n", "calls it 'other'"),
    ],
)
def test_a_file_that_is_no_skill_is_told_and_mended_for_mcp(
    serve: Serve, text: str | bytes, why: str
) -> None:
    skill = "\n    - {name: s, description: S., location: file:///./skills/s}"
    served = serve(document(skill), files={"skills/s/SKILL.md": text})
    assert why in served.finding("W-SKILL-FILE").message
    asked = {"method": "skills/list"}
    (entry,) = served.rpc(asked, adapter="orders-mcp").json["result"]["skills"]
    name = "other" if "other" in why else "s"
    assert entry["uri"] == f"skill://{name}/SKILL.md"
    assert entry["frontmatter"]["name"] == name
    uri = {"method": "resources/read", "params": {"uri": entry["uri"]}}
    content = served.rpc(uri, adapter="orders-mcp").json["result"]["contents"][0]["text"]
    assert content.startswith("---\nname: ")
    assert b"Body" not in (text if isinstance(text, bytes) else text.encode()) or "Body" in content


def test_skills_are_offered_where_their_tools_are(serve: Serve) -> None:
    more = (
        "  - {type: mcp, namespace: other, port: 9091, tools: [{name: x, description: X.,"
        " call: shop.list-orders}]}\n"
        "  - {type: skill, namespace: again, port: 3012, skills: ["
        "{name: onboarding-guide, description: Another.}]}\n"
    )
    served = serve(document(GUIDE, BY_MCP, more=more))

    def uris(adapter: str) -> list[str]:
        result = served.rpc({"method": "skills/list"}, adapter=adapter).json["result"]
        return [each["uri"].removesuffix("/SKILL.md") for each in result["skills"]]

    shared = ["skill://onboarding-guide", "skill://skills/onboarding-guide"]
    assert sorted(uris("other")) == shared
    assert sorted(uris("orders-mcp")) == ["skill://finding", *shared]


@pytest.mark.parametrize("same", [True, False])
def test_skills_behind_authentication_are_not_offered_to_others(serve: Serve, same: bool) -> None:
    asking = "    authentication: {type: bearer, token: secret}\n"
    text = document(GUIDE, adapter=asking)
    if same:
        text = text.replace("    port: 9090\n", f"    port: 9090\n{asking}")
    served = serve(text)
    headers = {"authorization": "Bearer secret"}
    answer = served.rpc({"method": "skills/list"}, adapter="orders-mcp", headers=headers)
    assert ("I-SKILL-AUTH" in served.codes) is not same
    if same:
        assert len(answer.json["result"]["skills"]) == 1
        assert answer.json["result"]["cacheScope"] == "private"
    else:
        assert answer.json["error"]["code"] == -32601
        assert "Begin here" not in json.dumps(served.tools("orders-mcp"))


SHARED = """
naftiko: "1.0.0-alpha2"
exposes:
- {type: mcp, namespace: tools, port: 9090, tools: [
    {name: hello, description: Says hello., outputParameters: [
      {name: hi, type: string, value: Hi}]}]}
- type: skill
  namespace: skills
  port: 3011
  skills:
  - name: greeting
    description: Greet.
    tools: [{name: hello, from: {sourceNamespace: tools, action: hello}}]
"""


@pytest.mark.parametrize("alias", ["", ", as: desk"])
def test_imported_skills_name_adapters_by_what_those_are_imported_as(
    serve: Serve, alias: str
) -> None:
    text = (
        'naftiko: "1.0.0-alpha2"\ninfo: {label: Desk, description: D.}\ncapability:\n  exposes:\n'
        f"  - {{import: tools, from: ./shared.yaml{alias}}}\n"
        "  - {import: skills, from: ./shared.yaml, as: learned}\n"
    )
    served = serve(text, files={"shared.yaml": SHARED})
    assert [code for code in served.codes if code.startswith("E-")] == []
    (tool,) = served.get("/skills/greeting", adapter="learned").json["tools"]
    assert tool["invocationRef"]["targetNamespace"] == ("desk" if alias else "tools")


def test_a_reload_with_other_skills_or_files_is_told_as_other_resources() -> None:
    def server(state: str) -> ToolServer:
        skill = Skill(name="s", description="S.", state=state)
        return ToolServer(
            namespace="m", title="", version="", instructions="", tools=(), skills=(skill,)
        )

    assert changes(server("one"), server("one")) == []
    assert changes(server("one"), server("two")) == ["resources"]


# -------------------------------------------------------------------------------- published files

PUBLISHED = sorted(
    path
    for path in CORPUS.glob("*/*.y*ml")
    if re.search(r"^ *(- )?type: *skill", path.read_text("utf-8", "replace"), re.MULTILINE)
)


@pytest.mark.skipif(not PUBLISHED, reason="no published files with skills here")
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_the_skills_of_published_files_are_served(serve: Serve, path: Path) -> None:
    served = serve(path.read_text("utf-8"))
    wrong = [
        f for f in served.findings if f.code.startswith("E-SKILL") or f.code == "W-SKILL-ACTION"
    ]
    assert wrong == []
    exposed = yaml.safe_load(path.read_text("utf-8"))["capability"]["exposes"]
    (adapter,) = (each for each in exposed if each["type"] == "skill")
    name = adapter["namespace"]
    listed = served.get("/skills", adapter=name).json["skills"]
    assert [skill["name"] for skill in listed] == [skill["name"] for skill in adapter["skills"]]
    for skill in adapter["skills"]:
        described = served.get(f"/skills/{skill['name']}", adapter=name).json
        tools = [tool["name"] for tool in skill.get("tools") or []]
        assert [tool["name"] for tool in described["tools"]] == tools
        if "allowed-tools" in skill:
            assert described["allowed-tools"].split() == skill["allowed-tools"].split(",")
