"""Resources over MCP: what is listed, what a read runs, and what no URI can reach."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from naftiko_run import folders
from naftiko_run.exposes.mcp import McpFace
from naftiko_run.exposes.mcp_pages import PAGE
from naftiko_run.exposes.mcp_resources import MOST_URI, Template
from naftiko_run.types import Reply
from tests.exposes.mcp_content_peers import (
    JSON,
    MODES,
    Upstream,
    client_of,
    entries,
    make,
    refused,
)
from tests.exposes.mcp_peers import META, ask, message, request

PNG = b"\x89PNG\r\n\x1a\n\x00"
SHIP = {
    "label": "Ship",
    "uri": "data://ships/{imo}/profile",
    "description": "One ship",
    "mimeType": "application/vnd.ship+json",
    "call": "up.get-ship",
    "with": {"imo": "{{imo}}"},
}
NEWS = {"label": "News", "uri": "data://news", "description": "All news", "call": "up.news"}
GUIDES = {
    "label": "Guides",
    "uri": "docs://guides",
    "description": "How to",
    "location": "file:///./guides",
}


@pytest.fixture
def guides(tmp_path: Path) -> Path:
    folder = tmp_path / "guides"
    (folder / "deep").mkdir(parents=True)
    (folder / "b.md").write_text("# B é", "utf-8")
    (folder / "a.txt").write_text("A")
    (folder / "a name.json").write_text("{}")
    (folder / "deep" / "z.png").write_bytes(PNG)
    (folder / "data").write_bytes(b"\xff\x00")
    (folder / ".env").write_text("SECRET")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("SECRET")
    (tmp_path / "secret.txt").write_text("SECRET")
    return folder


# ------------------------------------------------------------------------------------- dynamic


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", ["list", "map"])
async def test_uris_with_variables_are_templates_and_the_others_resources(
    tmp_path: Path, mode: str, form: str
) -> None:
    made = make(tmp_path, resources=entries(form, {"ship": SHIP, "news": NEWS}))
    assert made.codes == []
    async with client_of(made.server, mode) as client:
        (listed,) = (await client.list_resources()).resources
        assert (listed.uri, listed.name, listed.title) == ("data://news", "news", "News")
        assert (listed.description, listed.mime_type) == ("All news", None)
        (template,) = (await client.list_resource_templates()).resource_templates
        assert (template.uri_template, template.name) == ("data://ships/{imo}/profile", "ship")
        assert template.mime_type == "application/vnd.ship+json"
        (content,) = (await client.read_resource("data://ships/42/profile")).contents
        assert content.model_dump(exclude_none=True) == {
            "uri": "data://ships/42/profile",
            "mime_type": "application/vnd.ship+json",
            "text": '{"name":"Ada","crew":[1,2]}',
        }
        (content,) = (await client.read_resource("data://news")).contents
        assert content.mime_type == "application/json"
        error = await refused(client, "data://ships/4/2/profile")
        assert (error.code, error.data["uri"]) == (-32602, "data://ships/4/2/profile")
    urls = [each.url for each in made.upstream.requests]
    assert urls == ["https://api.test/ships/42", "https://api.test/news"]


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("data://ships/a%2Fb/profile", "https://api.test/ships/a%2Fb"),
        ("data://ships/a%3Fb%23c/profile", "https://api.test/ships/a%3Fb%23c"),
        ("data://ships/é/profile", "https://api.test/ships/%C3%A9"),
    ],
)
async def test_a_variable_changes_no_more_than_its_own_place(
    tmp_path: Path, uri: str, url: str
) -> None:
    made = make(tmp_path, resources=[{"name": "ship", **SHIP}])
    async with client_of(made.server) as client:
        await client.read_resource(uri)
    assert [each.url for each in made.upstream.requests] == [url]


@pytest.mark.parametrize(
    "uri", ["data://ships/%FF/profile", f"data://ships/{'x' * MOST_URI}/profile"]
)
async def test_a_uri_that_cannot_be_meant_is_not_found(tmp_path: Path, uri: str) -> None:
    made = make(tmp_path, resources=[{"name": "ship", **SHIP}])
    async with client_of(made.server, "legacy") as client:
        assert (await refused(client, uri)).code == -32602
    assert made.upstream.requests == []


@pytest.mark.parametrize("value", [".", "..", "%2e%2e"])
async def test_a_variable_never_climbs_upstream(tmp_path: Path, value: str) -> None:
    made = make(tmp_path, resources=[{"name": "ship", **SHIP}])
    async with client_of(made.server) as client:
        await refused(client, f"data://ships/{value}/profile")
    assert made.upstream.requests == []


async def test_a_variable_is_coerced_and_checked_as_any_argument(tmp_path: Path) -> None:
    deck = {"name": "deck", "uri": "data://decks/{deck}", "call": "up.get-deck"}
    made = make(tmp_path, resources=[deck])
    async with client_of(made.server) as client:
        await client.read_resource("data://decks/7")
        error = await refused(client, "data://decks/seven")
    assert (error.code, error.data["errors"][0]["field"]) == (-32602, "deck")
    assert [each.url for each in made.upstream.requests] == ["https://api.test/decks/7"]


@pytest.mark.parametrize("mode", MODES)
async def test_an_upstream_error_is_an_error_and_never_content(tmp_path: Path, mode: str) -> None:
    upstream = Upstream(Reply(404, JSON, b'{"error":"no such ship"}'))
    made = make(tmp_path, upstream, resources=[{"name": "ship", **SHIP}])
    async with client_of(made.server, mode) as client:
        error = await refused(client, "data://ships/42/profile")
    assert error.code == -32603
    assert "404" in error.message
    assert error.data == {
        "uri": "data://ships/42/profile",
        "status": 404,
        "body": {"error": "no such ship"},
    }


async def test_a_long_error_body_is_cut(tmp_path: Path) -> None:
    upstream = Upstream(Reply(500, (("content-type", "text/plain"),), b"x" * 100_000))
    made = make(tmp_path, upstream, resources=[{"name": "news", **NEWS}])
    async with client_of(made.server) as client:
        error = await refused(client, "data://news")
    assert error.data["body"].endswith("(100000 characters in all)")
    assert len(error.data["body"]) < 20_000


async def test_an_error_body_is_read_in_its_encoding(tmp_path: Path) -> None:
    upstream = Upstream(
        Reply(500, (("content-type", "text/plain; charset=iso-8859-1"),), b"d\xe9sol\xe9")
    )
    made = make(tmp_path, upstream, resources=[{"name": "news", **NEWS}])
    async with client_of(made.server) as client:
        error = await refused(client, "data://news")
    assert error.data["body"] == "d\u00e9sol\u00e9"


async def test_outputs_steps_refs_and_mocks_shape_what_is_read(tmp_path: Path) -> None:
    steps = [
        {"name": "one", "type": "call", "call": "up.get-ship", "with": {"imo": "{{imo}}"}},
        {"name": "two", "type": "call", "call": "up.get-ship", "with": {"imo": "{{one.name}}"}},
    ]
    flow = {"name": "ship", "call": "up.get-ship", "with": {"imo": "{{imo}}"}}
    made = make(
        tmp_path,
        aggregates=[{"namespace": "fleet", "functions": [flow]}],
        resources=[
            {"name": "shared", "uri": "data://shared/{imo}", "ref": "fleet.ship"},
            {
                "name": "mapped",
                **NEWS,
                "outputParameters": [
                    {
                        "type": "object",
                        "properties": {"who": {"type": "string", "mapping": "$.name"}},
                    }
                ],
            },
            {
                "name": "orchestrated",
                "uri": "data://twice/{imo}",
                "steps": steps,
                "mappings": [{"targetName": "last", "value": "$.two.name"}],
            },
            {
                "name": "mock",
                "uri": "data://mock",
                "outputParameters": [{"name": "hello", "type": "string", "value": "you"}],
            },
        ],
    )
    assert made.codes == []
    async with client_of(made.server) as client:
        assert await text_of(client, "data://news") == '{"who":"Ada"}'
        assert await text_of(client, "data://twice/9") == '{"last":"Ada"}'
        assert await text_of(client, "data://shared/7") == '{"name":"Ada","crew":[1,2]}'
        assert await text_of(client, "data://mock") == '{"hello":"you"}'
    called = [each.url.rpartition("/")[2] for each in made.upstream.requests]
    assert called == ["news", "9", "Ada", "7"]


async def text_of(client: Client, uri: str) -> str:
    (content,) = (await client.read_resource(uri)).contents
    return str(getattr(content, "text", None))


@pytest.mark.parametrize(
    ("media_type", "body", "binary", "expected"),
    [
        ("text/plain; charset=iso-8859-1", b"\xe9", False, ("text/plain", "é")),
        ("image/png", PNG, False, ("image/png", PNG)),
        ("application/json", b'{"a":1}', True, ("application/json", b'{"a":1}')),
        ("text/plain", b"\xff", False, ("text/plain", b"\xff")),
        ("text/plain", b"", False, ("text/plain", "")),
    ],
)
async def test_what_is_no_text_is_a_blob(
    tmp_path: Path, media_type: str, body: bytes, expected: tuple[str, Any], *, binary: bool
) -> None:
    upstream = Upstream(Reply(200, (("content-type", media_type),), body))
    made = make(tmp_path, upstream, resources=[{"name": "n", **NEWS, "binary": binary}])
    async with client_of(made.server) as client:
        (content,) = (await client.read_resource("data://news")).contents
    blob = getattr(content, "blob", None)
    found = base64.b64decode(blob) if blob is not None else getattr(content, "text", None)
    assert (content.mime_type, found) == expected


@pytest.mark.parametrize(
    ("uri", "asked", "found"),
    [
        ("a://{x}-{y}/z", "a://1-2-3/z", {"x": "1-2", "y": "3"}),
        ("a://{x}-{y}/z", "a://1--3/z", {"x": "1-", "y": "3"}),
        ("a://{x}-{y}/z", "a://1-/z", None),
        ("a://{x}-{y}/z", "a://-2/z", None),
        ("a://v{x}w", "a://vw", None),
        ("a://v{x}w", "a://vwww", {"x": "ww"}),
        ("a://{x}", "a://", None),
        ("a://{x}", "a://1/2", None),
        ("a://b", "a://b", {}),
        ("a://{x}.json", "a://q.json", {"x": "q"}),
    ],
)
def test_a_variable_is_one_segment_s_text(
    uri: str, asked: str, found: dict[str, str] | None
) -> None:
    assert Template(uri).match(asked) == found


def test_matching_does_not_backtrack() -> None:
    template = Template("a://" + "-".join(f"{{v{n}}}" for n in range(20)) + "!")
    assert template.match("a://" + "-" * 4000) is None


# -------------------------------------------------------------------------------------- folders


@pytest.mark.parametrize("mode", MODES)
async def test_a_folder_s_files_are_listed_in_order_and_read(
    tmp_path: Path, guides: Path, mode: str
) -> None:
    made = make(tmp_path, resources=[{"name": "guides", **GUIDES}])
    assert made.codes == []
    async with client_of(made.server, mode) as client:
        listed = (await client.list_resources()).resources
        assert [(each.uri, each.mime_type) for each in listed] == [
            ("docs://guides/a%20name.json", "application/json"),
            ("docs://guides/a.txt", "text/plain"),
            ("docs://guides/b.md", "text/markdown"),
            ("docs://guides/data", None),
            ("docs://guides/deep/z.png", "image/png"),
        ]
        assert {(each.name, each.title) for each in listed} == {("guides", "Guides")}
        assert await text_of(client, "docs://guides/b.md") == "# B é"
        assert await text_of(client, "docs://guides/a%20name.json") == "{}"
        (image,) = (await client.read_resource("docs://guides/deep/z.png")).contents
        assert base64.b64decode(getattr(image, "blob", "")) == PNG
        (data,) = (await client.read_resource("docs://guides/data")).contents
        assert data.mime_type == "application/octet-stream"
        assert (await client.list_resource_templates()).resource_templates == []
        (guides / "new.txt").write_text("new")
        assert await text_of(client, "docs://guides/new.txt") == "new"
    async with client_of(made.server, mode) as client:
        assert len((await client.list_resources()).resources) == len(listed) + 1


ATTACKS = [
    "docs://guides",
    "docs://guides/",
    "docs://guides/deep",
    "docs://guides/deep/",
    "docs://guides/missing.txt",
    "docs://guides/../secret.txt",
    "docs://guides/deep/../../secret.txt",
    "docs://guides/%2e%2e/secret.txt",
    "docs://guides/..%2fsecret.txt",
    "docs://guides/%2e%2e%2fsecret.txt",
    "docs://guides/..%5csecret.txt",
    "docs://guides/%252e%252e/secret.txt",
    "docs://guides/./a.txt",
    "docs://guides//a.txt",
    "docs://guides//etc/passwd",
    "docs://guides/%2Fetc%2Fpasswd",
    "docs://guides/a.txt%00.md",
    "docs://guides/.env",
    "docs://guides/%2eenv",
    "docs://guides/.git/config",
    "docs://guides/%ff",
    "docs://guides/outside.txt",
    "docs://guides/outside/secret.txt",
    "docs://guides/loop",
    "docs://guides/pipe",
    "docs://guidesx/a.txt",
    "file:///etc/passwd",
    "docs://guides/" + "a/" * 1000 + "a",
    "docs://guides/" + "a" * 300,
]


@pytest.mark.parametrize("mode", MODES)
async def test_nothing_outside_a_folder_is_read(tmp_path: Path, guides: Path, mode: str) -> None:
    (guides / "outside.txt").symlink_to(tmp_path / "secret.txt")
    (guides / "outside").symlink_to(tmp_path)
    (guides / "loop").symlink_to(guides / "loop")
    (guides / "deep" / "up").symlink_to(guides)
    (guides / "inside.txt").symlink_to(guides / "a.txt")
    os.mkfifo(guides / "pipe")
    made = make(tmp_path, resources=[{"name": "guides", **GUIDES}])
    async with client_of(made.server, mode) as client:
        uris = [each.uri for each in (await client.list_resources()).resources]
        assert "docs://guides/inside.txt" in uris
        assert await text_of(client, "docs://guides/inside.txt") == "A"
        assert not set(uris) & set(ATTACKS)
        assert len(uris) == 6
        for uri in ATTACKS:
            error = await refused(client, uri)
            assert (error.code, error.message) == (-32602, "Resource not found"), uri
            assert error.data == {"uri": uri}


async def test_a_file_that_is_too_large_is_an_error(tmp_path: Path, guides: Path) -> None:
    (guides / "large.txt").write_text("x" * 1025)
    (guides / "full.txt").write_text("x" * 1024)
    made = make(tmp_path, resources=[{"name": "guides", **GUIDES}], maxBinarySize="1KiB")
    async with client_of(made.server) as client:
        assert len(await text_of(client, "docs://guides/full.txt")) == 1024
        error = await refused(client, "docs://guides/large.txt")
    assert (error.code, error.message) == (-32603, "the file is larger than 1024 bytes")


def test_a_long_folder_is_listed_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(5):
        (tmp_path / f"{n}").write_text("")
    monkeypatch.setattr(folders, "MOST_FILES", 3)
    assert folders.listed(tmp_path) == ["0", "1", "2"]
    assert "more than 3 files" in caplog.text
    assert folders.listed(tmp_path / "missing") == []


async def test_a_long_list_comes_in_pages(tmp_path: Path, guides: Path) -> None:
    for n in range(PAGE + 5):
        (guides / "deep" / f"{n}.txt").write_text("")
    made = make(tmp_path, resources=[{"name": "guides", **GUIDES}])
    async with client_of(made.server) as client:
        first = await client.list_resources()
        assert len(first.resources) == PAGE
        second = await client.list_resources(cursor=first.next_cursor)
        assert len(second.resources) == 10
        assert second.next_cursor is None
        assert len({each.uri for each in (*first.resources, *second.resources)}) == PAGE + 10
    face = McpFace(made.server)
    async with face.running():
        params = {"cursor": "no", "_meta": META}
        answer = await ask(face, request(message("resources/list", params)))
    assert answer.json["error"]["code"] == -32602


@pytest.mark.parametrize(
    ("location", "codes"),
    [
        ("file:///./guides", []),
        ("file://./guides", []),
        ("file:///../{parent}/guides", []),
        ("file://{folder}/guides", []),
        ("file:///./missing", ["E-CONTENT-FILE"]),
        ("file:///./secret.txt", ["E-CONTENT-FILE"]),
        ("file://elsewhere/guides", ["E-CONTENT-FILE"]),
        ("https://example.com/guides", ["E-CONTENT-FILE"]),
        ("file:///./a%00b", ["E-CONTENT-FILE"]),
        ("file://", ["E-CONTENT-FILE"]),
    ],
)
@pytest.mark.usefixtures("guides")
async def test_where_a_folder_is(tmp_path: Path, location: str, codes: list[str]) -> None:
    written = location.format(folder=tmp_path, parent=tmp_path.name)
    made = make(
        tmp_path, resources=[{"name": "g", **GUIDES, "location": written}, {"name": "n", **NEWS}]
    )
    assert made.codes == codes
    names = {resource.name for resource in made.server.resources}
    assert names == ({"n"} if codes else {"g", "n"})


# ---------------------------------------------------------------------------- what is left out


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"uri": "", "call": "up.news"}, "E-RESOURCE-URI"),
        ({"uri": "no-scheme", "call": "up.news"}, "E-RESOURCE-URI"),
        ({"uri": "a://{x", "call": "up.news"}, "E-RESOURCE-URI"),
        ({"uri": "a://{x}{y}", "call": "up.news"}, "E-RESOURCE-URI"),
        ({"uri": "a://{x}/{x}", "call": "up.news"}, "E-RESOURCE-URI"),
        ({"uri": "a://{+x}", "call": "up.news"}, "E-RESOURCE-URI"),
        ({"uri": "a://{x}", "location": "file:///./guides"}, "E-RESOURCE-URI"),
        ({"uri": "data://news", "call": "up.news"}, "E-RESOURCE-URI"),
        ({"uri": "a://ship", "call": "up.get-ship"}, "E-RESOURCE-INPUT"),
        ({"uri": "a://x"}, "E-CALL-MISSING"),
        ({"uri": "a://x", "call": "up.gone"}, "E-CALL-OPERATION"),
    ],
)
async def test_a_resource_that_cannot_be_served_is_left_out(
    tmp_path: Path, entry: dict[str, str], code: str
) -> None:
    made = make(tmp_path, resources=[{"name": "news", **NEWS}, {"name": "bad", **entry}])
    assert made.codes == [code]
    served = (*made.server.resources, *made.server.resource_templates)
    assert [resource.name for resource in served] == ["news"]


# -------------------------------------------------------------------- what a server says of itself


@pytest.mark.parametrize("mode", MODES)
async def test_an_adapter_of_resources_alone_has_no_tools(tmp_path: Path, mode: str) -> None:
    made = make(tmp_path, resources=[{"name": "news", **NEWS}])
    assert made.plan.serves_anything
    async with client_of(made.server, mode) as client:
        capabilities = client.server_capabilities
        assert capabilities.resources is not None
        assert (capabilities.tools, capabilities.prompts) == (None, None)
        assert capabilities.completions is None


@pytest.mark.parametrize("mode", MODES)
async def test_an_adapter_of_tools_alone_has_no_resources(tmp_path: Path, mode: str) -> None:
    made = make(tmp_path, tools=[{"name": "news", "call": "up.news"}])
    async with client_of(made.server, mode) as client:
        capabilities = client.server_capabilities
        assert capabilities.tools is not None
        assert (capabilities.resources, capabilities.prompts) == (None, None)


async def test_answers_say_how_long_they_may_be_kept(tmp_path: Path) -> None:
    made = make(tmp_path, resources=[{"name": "news", **NEWS}, {"name": "ship", **SHIP}])
    face = McpFace(made.server)
    async with face.running():
        for method in ("resources/list", "resources/templates/list"):
            found = (await ask(face, request(message(method, {"_meta": META})))).json["result"]
            assert (found["ttlMs"], found["cacheScope"]) == (60_000, "public")
        asked = request(message("resources/read", {"uri": "data://news", "_meta": META}))
        found = (await ask(face, asked)).json["result"]
        assert (found["ttlMs"], found["cacheScope"]) == (0, "private")
        assert found["resultType"] == "complete"


async def test_a_template_s_variable_is_completed(tmp_path: Path) -> None:
    own = [{"name": "imo", "type": "string", "enum": ["alpha", "alps", "beta"]}]
    made = make(tmp_path, resources=[{"name": "ship", **SHIP, "inputParameters": own}])
    face = McpFace(made.server)
    async with face.running():
        ref = {"type": "ref/resource", "uri": SHIP["uri"]}
        argument = {"name": "imo", "value": "al"}
        params = {"ref": ref, "argument": argument, "_meta": META}
        found = (await ask(face, request(message("completion/complete", params)))).json
        assert found["result"]["completion"] == {
            "values": ["alpha", "alps"],
            "total": 2,
            "hasMore": False,
        }
        params["ref"] = {**ref, "uri": "data://other/{imo}"}
        found = (await ask(face, request(message("completion/complete", params)))).json
        assert found["error"]["code"] == -32602
