"""The files of a run: replies, capabilities, and the configurations of nginx and Caddy."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TOKEN = "bench-token"  # noqa: S105 - the upstream of the bench does not look at it
ARGUMENTS = {"name": "payments", "externalId": "customer-4711", "limit": 25}
INPUTS: Mapping[str, str] = {"name": "string", "externalId": "string", "limit": "integer"}
SIZES = {"small": 1, "medium": 51, "large": 5050}


def record(number: int) -> dict[str, Any]:
    return {
        "id": f"item_{number:08d}",
        "name": "payments, north-western region",
        "enabled": number % 2 == 0,
        "price": round(number * 1.37, 2),
        "createdAt": 1_700_000_000_000 + number,
        "tags": ["alpha", "beta"],
        "meta": {"owner": f"user_{number:06d}", "plan": "standard"},
    }


def reply(size: str) -> dict[str, Any]:
    """An API's usual envelope around records: 300 B, 10 KB or 1 MB of JSON."""
    return {
        "meta": {"requestId": "req_5hRw2cYzM", "next": "cursor_0001", "took": "12 ms", "page": 1},
        "data": [record(number) for number in range(SIZES[size])],
    }


def reply_text(size: str) -> str:
    return json.dumps(reply(size), separators=(",", ":"))


def write_replies(folder: Path) -> None:
    folder.mkdir()
    for size in SIZES:
        (folder / size).write_text(reply_text(size))


# ---------------------------------------------------------------------------------- capabilities


def _document(consumes: Mapping[str, Any], exposes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "naftiko": "1.0.0-alpha2",
        "info": {"label": "Bench", "description": "What the bench serves."},
        "binds": [{"namespace": "env", "keys": {"BENCH_TOKEN": "BENCH_TOKEN"}}],
        "capability": {"consumes": [consumes], "exposes": list(exposes)},
    }


def _consumes(
    namespace: str, base: str, resources: Iterable[Mapping[str, Any]]
) -> Mapping[str, Any]:
    return {
        "type": "http",
        "namespace": namespace,
        "description": "The upstream of the bench.",
        "baseUri": base,
        "authentication": {"type": "bearer", "token": "{{BENCH_TOKEN}}"},
        "resources": list(resources),
    }


def _posting(name: str, path: str) -> dict[str, Any]:
    return {
        "name": name,
        "path": path,
        "operations": [
            {
                "name": name,
                "method": "POST",
                "description": "Create an item",
                "inputParameters": [
                    {"name": n, "in": "body", "type": t, "required": n == "name"}
                    for n, t in INPUTS.items()
                ],
                "body": {
                    "type": "json",
                    "data": {
                        "name": "{{tools.name}}",
                        "external": "{{tools.externalId}}",
                        "settings": {"limit": "{{tools.limit}}", "source": "bench"},
                    },
                },
                "outputRawFormat": "json",
            }
        ],
    }


def _getting(name: str, path: str, inputs: Iterable[str] = ()) -> dict[str, Any]:
    operation = {
        "name": name,
        "method": "GET",
        "description": f"Get {name}",
        "inputParameters": [
            {"name": n, "in": "path", "type": "string", "required": True} for n in inputs
        ],
        "outputRawFormat": "json",
    }
    return {"name": name, "path": path, "operations": [operation]}


WHOLE = [{"type": "object", "mapping": "$."}]
MAPPED = [
    {
        "type": "object",
        "properties": {
            "meta": {"type": "object", "mapping": "$.meta"},
            "data": {"type": "array", "mapping": "$.data"},
        },
    }
]


def _route(path: str, method: str, call: str, output: Any = WHOLE) -> dict[str, Any]:  # noqa: ANN401
    operation: dict[str, Any] = {"method": method, "call": call, "outputParameters": output}
    if method == "POST":
        operation["with"] = {name: f"rest.{name}" for name in INPUTS}
    return {"path": path, "operations": [operation]}


def write_rest(folder: Path, upstream: str, slow: str, port: int) -> Path:
    """The capability of the REST measurements."""
    store = _consumes(
        "store",
        upstream,
        [_posting("create-item", "/items"), *(_getting(f"get-{s}", f"/{s}") for s in SIZES)],
    )
    late = _consumes("late", slow, [_posting("create-late", "/items")])
    routes = [
        _route("/items", "POST", "store.create-item"),
        _route("/slow", "POST", "late.create-late"),
        *(_route(f"/{size}", "GET", f"store.get-{size}") for size in SIZES),
        *(_route(f"/{size}-mapped", "GET", f"store.get-{size}", MAPPED) for size in SIZES),
    ]
    document = _document(
        store, [{"type": "rest", "namespace": "bench-rest", "port": port, "resources": routes}]
    )
    document["capability"]["consumes"].append(late)
    return _write(folder / "rest.yaml", document)


def write_tools(folder: Path, upstream: str, count: int, port: int) -> Path:
    """A capability of one MCP adapter with so many tools."""
    names = [f"create-item-{number}" for number in range(count)]
    document = _document(
        _consumes("store", upstream, [_posting(n, f"/items/{i}") for i, n in enumerate(names)]),
        [
            {
                "type": "mcp",
                "namespace": "bench-tools",
                "port": port,
                "tools": [
                    {"name": n, "description": "Create an item", "call": f"store.{n}"}
                    for n in names
                ],
            }
        ],
    )
    return _write(folder / f"tools-{count}.yaml", document)


def write_routes(folder: Path, upstream: str, count: int, port: int) -> list[Path]:
    """So many routes on one listener, in files of up to 500; half of them have a placeholder."""
    files = []
    for start in range(0, count, 500):
        routes = [
            _route(f"/group-{n // 100}/resource-{n}" + "/{itemId}" * (n % 2), "GET", _CALLS[n % 2])
            for n in range(start, min(start + 500, count))
        ]
        document = _document(
            _consumes(
                "store",
                upstream,
                [_getting("get-all", "/small"), _getting("get-one", "/small/{itemId}", ["itemId"])],
            ),
            [
                {
                    "type": "rest",
                    "namespace": f"routes-{start}",
                    "port": port,
                    "resources": routes,
                }
            ],
        )
        files.append(_write(folder / f"routes-{count}-{start}.yaml", document))
    return files


_CALLS = ("store.get-all", "store.get-one")


def write_fleet(folder: Path, upstream: str, count: int, ports: tuple[int, int]) -> None:
    """Files like the published ones: 13 KB, 12 operations, 8 routes and 8 tools each."""
    folder.mkdir()
    for number in range(count):
        resources = []
        for n in range(12):
            resource = (
                _posting(f"create-thing-{n}", f"/items/{n}")
                if n % 2
                else _getting(f"get-thing-{n}", f"/small/{n}/{{thingId}}", ["thingId"])
            )
            operation = resource["operations"][0]
            operation["description"] = _SENTENCE
            operation["outputParameters"] = [{"name": "result", "type": "object", "value": "$."}]
            resources.append(resource)
        names = [resource["name"] for resource in resources[:8]]
        routes = [
            _route(
                f"/service-{number}/{name}" + ("" if n % 2 else "/{thingId}"),
                "POST" if n % 2 else "GET",
                f"service.{name}",
            )
            for n, name in enumerate(names)
        ]
        tools = [
            {"name": name, "description": _SENTENCE, "call": f"service.{name}"} for name in names
        ]
        for each in routes:
            each["operations"][0]["description"] = _SENTENCE
        exposes = [
            {
                "type": "rest",
                "namespace": f"service-{number}-api",
                "description": _SENTENCE,
                "port": ports[0],
                "resources": routes,
            },
            {
                "type": "mcp",
                "namespace": f"service-{number}-tools",
                "description": _SENTENCE,
                "port": ports[1],
                "tools": tools,
            },
        ]
        document = _document(_consumes("service", upstream, resources), exposes)
        _write(folder / f"service-{number:04d}.yaml", document)


_SENTENCE = "Reads or changes what the service keeps."


def _write(path: Path, document: Mapping[str, Any]) -> Path:
    path.write_text("\n".join(_yaml(document)) + "\n")
    return path


def _yaml(value: Any, indent: str = "") -> Iterable[str]:  # noqa: ANN401 - any JSON
    """Write block-style YAML, as people do; the scalars are JSON."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, Mapping | list) and item:
                yield f"{indent}{key}:"
                yield from _yaml(item, f"{indent}  ")
            else:
                yield f"{indent}{key}: {json.dumps(item)}"
    else:
        for item in value:
            lines = list(_yaml(item)) if isinstance(item, Mapping) else [json.dumps(item)]
            yield f"{indent}- {lines[0]}"
            yield from (f"{indent}  {line}" for line in lines[1:])


# --------------------------------------------------------------------------------- nginx, Caddy


def _nginx(folder: Path, http: str) -> str:
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off;
{temporary}
  default_type application/json;
  keepalive_timeout 75;
  keepalive_requests 100000000;
  client_body_buffer_size 64k;
  sendfile on;
  tcp_nopush on;
{http}
}}
"""


def write_upstream(folder: Path, port: int, replies: Path) -> Path:
    """An upstream of nginx: the small reply out of memory, the larger ones out of files."""
    small = reply_text("small")
    http = f"""  open_file_cache max=16 inactive=1h;
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location /items {{ return 200 '{small}'; }}
    location /small {{ return 200 '{small}'; }}
    location / {{ root {replies}; }}
  }}"""
    return _configuration(folder, _nginx(folder, http))


def write_nginx(folder: Path, port: int, upstream: int) -> Path:
    http = f"""  upstream bench {{ server 127.0.0.1:{upstream}; keepalive 256; }}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location / {{
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer {TOKEN}";
      proxy_buffers 16 64k;
    }}
  }}"""
    return _configuration(folder, _nginx(folder, http))


def write_caddy(folder: Path, port: int, upstream: int) -> Path:
    return _configuration(
        folder,
        f"""{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:{upstream} {{
    header_up Authorization "Bearer {TOKEN}"
    transport http {{
      keepalive_idle_conns_per_host 256
    }}
  }}
}}
""",
    )


def _configuration(folder: Path, text: str) -> Path:
    folder.mkdir()
    path = folder / "configuration"
    path.write_text(text)
    return path
