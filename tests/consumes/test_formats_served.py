"""Raw formats from a document to an outcome: schema files, sizes, media types, mappings."""

from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from naftiko_run.errors import UnreadableReply
from naftiko_run.loading.load import Settings, load
from naftiko_run.loading.schema import check
from naftiko_run.plan.plan import Options, Plan, compile_plan
from naftiko_run.spec.document import Loaded
from naftiko_run.types import Outcome, Reply, Request

PROTO = 'syntax = "proto3"; message Ship { string imo = 1; }'
OTHER = 'syntax = "proto3"; message Ship { string other = 1; }'
SENT = b"\x0a\x05IMO-1"


@dataclass
class Upstream:
    """Answers everything with one reply."""

    reply: Reply

    async def send(self, request: Request) -> Reply:
        return self.reply

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass
class Served:
    loaded: Loaded
    plan: Plan
    upstream: Upstream = field(default_factory=lambda: Upstream(Reply(200, (), b"")))

    @property
    def findings(self) -> list[str]:
        found = dict.fromkeys([*self.loaded.findings, *self.plan.findings])
        return [f"{f.code} {f.pointer} {f.message} ({f.fix})" for f in found]

    def call(self, body: bytes, kind: str = "", status: int = 200) -> Outcome:
        headers = (("content-type", kind),) if kind else ()
        self.upstream.reply = Reply(status, headers, body)
        flow = self.plan.listeners[0].routes[0].flow
        assert flow is not None
        return anyio.run(flow, {})


def served(
    folder: Path,
    operation: str,
    *,
    unit: str = "",
    adapter: str = "",
    folders: tuple[Path, ...] = (),
) -> Served:
    folder.mkdir(exist_ok=True)
    file = folder / "ships.yaml"
    file.write_text(
        f"""\
ikanos: 1.0.0-beta1
info: {{label: Ships, description: Ships at sea.}}
capability:
  consumes:
    - type: http
      namespace: up
      baseUri: https://api.example.com
      resources:
        - name: x
          path: /x
          operations:
            - {{name: x, method: GET, {operation}}}
  exposes:
    - type: rest
      namespace: rest
      port: 8080
      {adapter}
      resources:
        - path: /x
          operations:
            - {{method: GET, call: up.x{unit}}}
""",
        encoding="utf-8",
    )
    loaded = load(file, Settings(folders=folders), schema=check)
    upstream = Upstream(Reply(200, (), b""))
    return Served(loaded, compile_plan([loaded], Options(), upstream), upstream)


OPERATION = "capability.consumes[0].resources[0].operations[0]"
UNIT = "capability.exposes[0].resources[0].operations[0]"

# --------------------------------------------------------------------------------- schema files


def test_a_schema_file_lies_beside_the_document(tmp_path: Path) -> None:
    (tmp_path / "ship.proto").write_text(PROTO, encoding="utf-8")
    each = served(tmp_path, "outputRawFormat: protobuf, outputSchema: ./ship.proto")
    assert each.findings == []
    told = Outcome(200, b'{"imo":"IMO-1"}', "application/json", written=True)
    assert each.call(SENT) == told
    assert (tmp_path / "ship.proto").resolve() in each.loaded.files


def test_a_schema_file_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "ship.proto").write_text(PROTO, encoding="utf-8-sig")
    each = served(tmp_path, "outputRawFormat: protobuf, outputSchema: ship.proto")
    assert each.call(SENT).body == b'{"imo":"IMO-1"}'


@pytest.mark.parametrize("place", ["parent", "import"])
def test_a_schema_file_lies_where_imports_do(tmp_path: Path, place: str) -> None:
    home, shared = tmp_path / "parent" / "home", tmp_path / "import"
    for folder in (tmp_path / "parent", shared):
        folder.mkdir()
    (tmp_path / place / "ship.proto").write_text(PROTO, encoding="utf-8")
    operation = "outputRawFormat: protobuf, outputSchema: ship.proto"
    each = served(home, operation, folders=(shared,))
    assert each.call(SENT).body == b'{"imo":"IMO-1"}'


def test_the_nearest_schema_file_counts(tmp_path: Path) -> None:
    (tmp_path / "ship.proto").write_text(OTHER, encoding="utf-8")
    home = tmp_path / "home"
    home.mkdir()
    (home / "ship.proto").write_text(PROTO, encoding="utf-8")
    each = served(home, "outputRawFormat: protobuf, outputSchema: ship.proto")
    assert each.call(SENT).body == b'{"imo":"IMO-1"}'


def test_a_schema_file_of_an_imported_api_lies_beside_that_file(tmp_path: Path) -> None:
    shared = tmp_path / "home" / "shared"
    shared.mkdir(parents=True)
    (shared / "ship.proto").write_text(PROTO, encoding="utf-8")
    (shared / "up.yaml").write_text(
        """\
consumes:
  - type: http
    namespace: up
    baseUri: https://api.example.com
    resources:
      - name: x
        path: /x
        operations:
          - {name: x, method: GET, outputRawFormat: protobuf, outputSchema: ship.proto}
""",
        encoding="utf-8",
    )
    file = tmp_path / "home" / "ships.yaml"
    file.write_text(
        """\
ikanos: 1.0.0-beta1
info: {label: Ships, description: Ships at sea.}
capability:
  consumes: [{import: up, location: ./shared/up.yaml}]
  exposes:
    - type: rest
      namespace: rest
      resources: [{path: /x, operations: [{method: GET, call: up.x}]}]
""",
        encoding="utf-8",
    )
    loaded = load(file, Settings(), schema=check)
    upstream = Upstream(Reply(200, (), b""))
    each = Served(loaded, compile_plan([loaded], Options(), upstream), upstream)
    assert each.call(SENT).body == b'{"imo":"IMO-1"}'


def refused(each: Served) -> str:
    (finding,) = each.findings
    assert each.plan.listeners[0].routes[0].flow is None
    return finding


MISSING = (
    f"E-FORMAT-SCHEMA {OPERATION}.outputSchema the schema file 'ship.proto' is not there"
    " (put it beside the file that names it, or name its folder with --import-path)"
)


def test_a_schema_file_that_is_not_there(tmp_path: Path) -> None:
    each = served(tmp_path, "outputRawFormat: protobuf, outputSchema: ship.proto")
    assert refused(each) == MISSING


def test_a_folder_is_no_schema_file(tmp_path: Path) -> None:
    (tmp_path / "ship.proto").mkdir()
    each = served(tmp_path, "outputRawFormat: protobuf, outputSchema: ship.proto")
    assert refused(each) == MISSING


@pytest.mark.parametrize("way", ["dots", "absolute", "link"])
def test_a_schema_file_outside_the_folders_is_not_read(tmp_path: Path, way: str) -> None:
    home = tmp_path / "a" / "b"
    home.mkdir(parents=True)
    outside = tmp_path / "ship.proto"
    outside.write_text(PROTO, encoding="utf-8")
    (home / "link.proto").symlink_to(outside)
    name = {"dots": "../../ship.proto", "absolute": str(outside), "link": "link.proto"}[way]
    each = served(home, f"outputRawFormat: protobuf, outputSchema: {name}")
    assert refused(each) == (
        f"E-FORMAT-SCHEMA {OPERATION}.outputSchema the schema file {name!r} lies outside the"
        f" folders that may be read (move it, or start with --import-path {tmp_path})"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"message \xff", "is not UTF-8 (save it so)"),
        (
            b"x" * (1024 * 1024 + 1),
            "cannot be read: it has 1.0 MB; at most 1 MB are read (mend it)",
        ),
    ],
    ids=["not UTF-8", "too large"],
)
def test_a_schema_file_that_cannot_be_read(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "ship.proto").write_bytes(content)
    each = served(tmp_path, "outputRawFormat: protobuf, outputSchema: ship.proto")
    assert refused(each) == (
        f"E-FORMAT-SCHEMA {OPERATION}.outputSchema the schema file 'ship.proto' {said}"
    )


def test_a_schema_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "ship.avsc").write_text("{}", encoding="utf-8")
    each = served(tmp_path, "outputRawFormat: avro, outputSchema: ship.avsc")
    assert refused(each) == (
        f"E-FORMAT-SCHEMA {OPERATION}.outputSchema outputSchema is no Avro schema: a schema is a"
        " name, a list or an object (mend the .avsc file)"
    )


def test_a_format_that_is_none(tmp_path: Path) -> None:
    each = served(tmp_path, "outputRawFormat: INI")
    (told,) = [f for f in each.findings if f.startswith("E-")]
    assert told == (
        f"E-FORMAT {OPERATION}.outputRawFormat there is no raw format 'ini' (use one of json, xml,"
        " csv, tsv, psv, yaml, html, markdown, avro, protobuf, binary, text)"
    )


def test_names_of_formats_are_read_in_any_case(tmp_path: Path) -> None:
    each = served(tmp_path, "outputRawFormat: Xml", unit=", outputParameters: [{mapping: $.a}]")
    assert each.call(b"<r><a>1</a></r>").body == b'"1"'


# --------------------------------------------------------------------------- bytes and their type


@pytest.mark.parametrize(
    ("operation", "kind", "media_type"),
    [
        ("outputRawFormat: binary, outputMediaType: image/jpeg", "image/png", "image/jpeg"),
        ("outputRawFormat: binary", "image/png", "image/png"),
        ("outputRawFormat: binary", "", "application/octet-stream"),
        ("outputRawFormat: text", "text/css; charset=latin1", "text/css; charset=latin1"),
        ("outputRawFormat: text", "", "text/plain"),
        ("outputRawFormat: text, outputMediaType: text/x", "text/css", "text/x"),
    ],
)
def test_bytes_are_passed_on(tmp_path: Path, operation: str, kind: str, media_type: str) -> None:
    each = served(tmp_path, operation, unit=", outputParameters: [{mapping: $.a}]")
    assert each.call(b"\0\xff", kind) == Outcome(200, b"\0\xff", media_type)


@pytest.mark.parametrize(
    ("operation", "adapter", "limit"),
    [
        ("outputRawFormat: binary, maxBinarySize: 1KiB", "", 1024),
        ("outputRawFormat: binary, maxBinarySize: 1KiB", "maxBinarySize: 2KiB", 1024),
        ("outputRawFormat: binary", "maxBinarySize: 0.5KiB", 512),
        ("outputRawFormat: binary", "", 10 * 1024 * 1024),
    ],
)
def test_binary_replies_are_bounded(
    tmp_path: Path, operation: str, adapter: str, limit: int
) -> None:
    each = served(tmp_path, operation, adapter=adapter)
    assert len(each.call(b"x" * limit).body) == limit
    with pytest.raises(UnreadableReply) as caught:
        each.call(b"x" * (limit + 1))
    assert str(caught.value) == f"the upstream's reply exceeds maxBinarySize (limit={limit} bytes)"


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("4096", 4096),
        ("'4096'", 4096),
        ("512B", 512),
        ("512KiB", 512 * 1024),
        ("10MiB", 10 * 1024**2),
        ("1.5MiB", 3 * 1024**2 // 2),
        ("1GiB", 1024**3),
        ("0.3B", 0),
        ("''", None),
        ("10TB", None),
        ("MiB", None),
        ("1kib", None),
        ("-1B", None),
    ],
)
def test_sizes(tmp_path: Path, written: str, size: int | None) -> None:
    each = served(tmp_path, f"outputRawFormat: binary, maxBinarySize: {written}")
    assert each.loaded.consumes[0].operations[0].max_binary_size == size
    told = [f for f in each.findings if f.startswith("E-")]
    expected = f"E-TYPE {OPERATION}.maxBinarySize {written!r} is no size (write one such as 512KiB,"
    assert [f.startswith(expected) for f in told] == (
        [True] if size is None and "'" not in written else []
    )


@pytest.mark.parametrize("written", ["image", "image/png\\r\\nx: y", "a b/c"])
def test_what_is_no_media_type_is_left_out(tmp_path: Path, written: str) -> None:
    each = served(tmp_path, f'outputRawFormat: binary, outputMediaType: "{written}"')
    assert [f.split()[0] for f in each.findings if f.startswith("E-")] == ["E-TYPE"]
    assert each.call(b"x").media_type == "application/octet-stream"


# ----------------------------------------------------------------------------------- conversions


def test_an_error_of_the_upstream_is_not_decoded(tmp_path: Path) -> None:
    each = served(tmp_path, "outputRawFormat: xml")
    assert each.call(b"busy", "text/plain", 503) == Outcome(503, b"busy", "text/plain", failed=True)


def test_a_mapping_to_the_whole_reply_passes_its_bytes_on(tmp_path: Path) -> None:
    each = served(tmp_path, "outputRawFormat: json", unit=", outputParameters: [{mapping: $.a}]")
    body = b'{ "b": 1.0, "b": 2 }'
    assert each.call(body, "application/json; x=y").body == body
    assert each.call(body, "text/plain").media_type == "application/json"
    assert each.call(b'{"a": 1.0}').body == b"1.0"


def test_vessels(tmp_path: Path) -> None:
    unit = (
        ", outputParameters: [{type: array, mapping: $.vessel,"
        " items: {type: object, properties: {code: {type: string, mapping: $.vesselCode}}}}]"
    )
    each = served(tmp_path, "outputRawFormat: xml", unit=unit)
    one = b"<v><vessel><vesselCode>V001</vesselCode></vessel></v>"
    two = b"<v><vessel vesselCode='V001'/><vessel vesselCode='V002'/></v>"
    assert each.call(two).body == b'[{"code":"V001"},{"code":"V002"}]'
    assert each.call(one).body == b'[{"code":"V001"}]'


# --------------------------------------------------------------------------------------- mappings


def test_each_malformed_mapping_is_told_in_its_place(tmp_path: Path) -> None:
    unit = (
        ", outputParameters: [{name: a, mapping: '$['}, {name: b, type: object,"
        " properties: {c: {mapping: '$.x['}}}]"
    )
    each = served(tmp_path, "outputRawFormat: json", unit=unit)
    told = [f.split(" ")[:2] for f in each.findings if f.startswith("E-")]
    assert told == [
        ["E-MAPPING", f"{UNIT}.outputParameters[0]"],
        ["E-MAPPING", f"{UNIT}.outputParameters[1].properties.c"],
    ]


def test_the_length_of_an_array_is_told(tmp_path: Path) -> None:
    unit = ", outputParameters: [{type: number, mapping: $.data.length}]"
    each = served(tmp_path, "outputRawFormat: json", unit=unit)
    (told,) = [f for f in each.findings if "LENGTH" in f]
    assert told == (
        f"W-LENGTH {UNIT}.outputParameters[0] '$.data.length' is read as the length of the array"
        " (write '$.data.length()')"
    )
    assert each.call(b'{"data": [1, 2]}').body == b"2"
