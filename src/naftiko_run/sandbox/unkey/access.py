"""Who is asking: the root key in the request's header, and how much its workspace may ask."""

from functools import lru_cache
from typing import TypeAlias

import orjson

from naftiko_run.sandbox.unkey import errors
from naftiko_run.sandbox.unkey.authority import RootKey
from naftiko_run.sandbox.unkey.database import Database, Row
from naftiko_run.sandbox.unkey.errors import ApiError
from naftiko_run.sandbox.unkey.ids import hash_key
from naftiko_run.sandbox.unkey.ratelimits import Demand, take
from naftiko_run.sandbox.unkey.store import Store, rfc3339

Headers: TypeAlias = list[tuple[bytes, bytes]]
"""Headers of an answer."""

_MINUTE = 60_000
_SCHEME = "Bearer "
_INVALID = "The provided root key is invalid."


def authenticate(store: Store, authorization: str, now: int) -> RootKey:
    """Find the root key that a header names.

    Raises:
        ApiError: There is none, or it must not be used.

    """
    token = authorization.removeprefix(_SCHEME).strip()
    if not authorization.startswith(_SCHEME) or not token:
        raise errors.bad_request(
            "You must provide a valid root key in the Authorization header in the format"
            " 'Bearer ROOT_KEY'. Your authorization header is missing the 'Bearer ' prefix.",
            "unkey/authentication/malformed",
        )
    with store.db.reading():
        row = _root_key(store.db, hash_key(token))
    if not row["workspace_enabled"]:
        raise errors.forbidden(
            "Workspace is disabled", "workspace_disabled", f"{_INVALID} The workspace is disabled."
        )
    if not row["enabled"]:
        raise errors.forbidden(
            "Key is disabled", "key_disabled", f"{_INVALID} The key is disabled."
        )
    if row["expires"] is not None and row["expires"] <= now:
        ended = rfc3339(row["expires"])
        raise errors.forbidden(
            "Forbidden", "forbidden", f"{_INVALID} the key has expired on {ended}"
        )
    return RootKey(
        row["workspace_id"], _permissions(row["permissions"]), row["requests_per_minute"]
    )


def _root_key(db: Database, digest: str) -> Row:
    row = db.one(
        "SELECT root_keys.*, workspaces.enabled AS workspace_enabled,"
        " workspaces.requests_per_minute FROM root_keys"
        " JOIN workspaces ON workspaces.id = root_keys.workspace_id WHERE hash = ?",
        digest,
    )
    if row is not None:
        return row
    if db.one("SELECT 1 FROM keys WHERE hash = ? AND deleted_at IS NULL", digest) is not None:
        raise errors.unauthorized(_INVALID)
    raise errors.unauthorized(f"{_INVALID} We could not find the requested key.")


@lru_cache(maxsize=256)
def _permissions(stored: str) -> frozenset[str]:
    return frozenset(orjson.loads(stored))


def admit(store: Store, root: RootKey, now: int, headers: Headers) -> None:
    """Count a request against its workspace's limit, where it has one, and say so in `headers`.

    Raises:
        ApiError: The workspace has asked too much.

    """
    per_minute = root.requests_per_minute
    if per_minute is None:
        return
    demand = Demand(
        scope="workspace", identifier=root.workspace, limit=per_minute, duration=_MINUTE, cost=1
    )
    with store.db.writing():
        [verdict] = take(store.db, [demand], now)
    seconds = b"%d" % -(-(verdict.reset - now) // 1000)
    headers += [
        (b"ratelimit-limit", b"%d" % per_minute),
        (b"ratelimit-remaining", b"%d" % verdict.remaining),
        (b"ratelimit-reset", seconds),
    ]
    if verdict.passed:
        return
    headers.append((b"retry-after", seconds))
    raise ApiError(
        429,
        "Too Many Requests",
        "user/too_many_requests/workspace_rate_limited",
        f"This workspace has exceeded its API rate limit of {per_minute}/1m0s."
        " Please try again later.",
    )
