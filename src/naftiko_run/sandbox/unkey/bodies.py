"""The request body of every operation."""

from naftiko_run.sandbox.unkey.schema import Flag, Free, Node, Record, Series, Text, Whole

_ID = r"^[a-zA-Z0-9_]+$"
_SLUG = r"^[a-zA-Z0-9_:\-\.\*]+$"
_EXTERNAL_ID = r"^[a-zA-Z0-9_.-]+$"
_LATEST = 4_102_444_800_000  # the first millisecond of 2100

_KEY_ID = Text(shortest=3, longest=255, pattern=_ID)
_API_ID = Text(shortest=8, longest=255, pattern=_ID)
_PERMISSION = Text(shortest=1, longest=128, pattern=_SLUG)
_ROLE = Text(shortest=1, longest=128)
_PAGE_SIZE = Whole(least=1, most=100)
_CURSOR = Text(longest=1024)
_SEARCH = Text(longest=256)
_META = Free(most=100)
_NOT_EMPTY = Text(shortest=1)

_RATELIMITS = Series(
    item=Record(
        members={
            "name": Text(shortest=3, longest=128),
            "limit": Whole(least=1),
            "duration": Whole(least=1000),
            "autoApply": Flag(),
        },
        required=("name", "limit", "duration", "autoApply"),
        extra=True,
    ),
    most=50,
)


def _refill(*, nullable: bool = False) -> Record:
    return Record(
        members={
            "interval": Text(choices=("daily", "monthly")),
            "amount": Whole(least=1),
            "refillDay": Whole(least=1, most=31),
        },
        required=("interval", "amount"),
        nullable=nullable,
    )


CREATE_API = Record(members={"name": Text(shortest=3, longest=256)}, required=("name",))
GET_API = Record(members={"apiId": _API_ID}, required=("apiId",))
DELETE_API = GET_API
LIST_KEYS = Record(
    members={
        "apiId": _NOT_EMPTY,
        "limit": _PAGE_SIZE,
        "cursor": Text(),
        "externalId": _NOT_EMPTY,
        "decrypt": Flag(),
        "revalidateKeysCache": Flag(),
    },
    required=("apiId",),
)

CREATE_KEY = Record(
    members={
        "apiId": Text(shortest=3, longest=255, pattern=_ID),
        "prefix": Text(shortest=1, longest=16, pattern=_ID),
        "name": Text(shortest=1, longest=255),
        "byteLength": Whole(least=16, most=255),
        "externalId": Text(shortest=1, longest=255, pattern=_EXTERNAL_ID),
        "meta": _META,
        "roles": Series(item=_ROLE, most=100),
        "permissions": Series(item=_PERMISSION, most=1000),
        "expires": Whole(least=0, most=_LATEST),
        "credits": Record(
            members={"remaining": Whole(least=0, nullable=True), "refill": _refill()},
            required=("remaining",),
        ),
        "ratelimits": _RATELIMITS,
        "enabled": Flag(),
        "recoverable": Flag(),
    },
    required=("apiId",),
)
GET_KEY = Record(members={"keyId": _KEY_ID, "decrypt": Flag()}, required=("keyId",))
WHOAMI = Record(members={"key": Text(shortest=1, longest=512)}, required=("key",))
UPDATE_KEY = Record(
    members={
        "keyId": _KEY_ID,
        "name": Text(shortest=1, longest=255, nullable=True),
        "externalId": Text(shortest=1, longest=255, pattern=_EXTERNAL_ID, nullable=True),
        "meta": Free(most=100, nullable=True),
        "expires": Whole(least=0, most=_LATEST, nullable=True),
        "credits": Record(
            members={"remaining": Whole(least=0, nullable=True), "refill": _refill(nullable=True)},
            nullable=True,
        ),
        "ratelimits": _RATELIMITS,
        "enabled": Flag(),
        "roles": Series(item=_ROLE, most=100),
        "permissions": Series(item=_PERMISSION, most=1000),
    },
    required=("keyId",),
)
DELETE_KEY = Record(members={"keyId": _KEY_ID, "permanent": Flag()}, required=("keyId",))
REROLL_KEY = Record(
    members={"keyId": _KEY_ID, "expiration": Whole(least=0, most=_LATEST)},
    required=("keyId", "expiration"),
    extra=True,
)
VERIFY_KEY = Record(
    members={
        "key": Text(shortest=1, longest=512),
        "tags": Series(item=Text(shortest=1, longest=512), most=20),
        "permissions": Text(shortest=1, longest=1000),
        "credits": Record(
            members={"cost": Whole(least=0, most=1_000_000_000_000)}, required=("cost",)
        ),
        "ratelimits": Series(
            item=Record(
                members={
                    "name": Text(shortest=3, longest=255),
                    "cost": Whole(least=0),
                    "limit": Whole(least=0),
                    "duration": Whole(least=0),
                },
                required=("name",),
                extra=True,
            )
        ),
        "migrationId": Text(longest=256),
    },
    required=("key",),
)
UPDATE_CREDITS = Record(
    members={
        "keyId": Text(shortest=3),
        "operation": Text(choices=("set", "increment", "decrement")),
        "value": Whole(least=0, nullable=True),
    },
    required=("keyId", "operation"),
)


def _grant(name: str, item: Node, *, fewest: int, most: int | None) -> Record:
    return Record(
        members={"keyId": _KEY_ID, name: Series(item=item, fewest=fewest, most=most)},
        required=("keyId", name),
    )


CHANGE_PERMISSIONS = _grant("permissions", _PERMISSION, fewest=1, most=1000)
SET_PERMISSIONS = _grant("permissions", _PERMISSION, fewest=0, most=None)
CHANGE_ROLES = _grant("roles", _ROLE, fewest=1, most=100)
SET_ROLES = _grant("roles", _ROLE, fewest=0, most=100)

CREATE_PERMISSION = Record(
    members={
        "name": Text(shortest=1, longest=512),
        "slug": _PERMISSION,
        "description": Text(longest=512),
    },
    required=("name", "slug"),
)
NAME_PERMISSION = Record(members={"permission": _PERMISSION}, required=("permission",))
CREATE_ROLE = Record(
    members={
        "name": _ROLE,
        "description": Text(longest=512),
        "permissions": Series(item=_PERMISSION),
    },
    required=("name",),
)
NAME_ROLE = Record(members={"role": _ROLE}, required=("role",))
LIST = Record(members={"limit": _PAGE_SIZE, "cursor": _CURSOR, "search": _SEARCH})

CREATE_IDENTITY = Record(
    members={
        "externalId": Text(shortest=1, longest=255, pattern=_EXTERNAL_ID),
        "meta": _META,
        "ratelimits": _RATELIMITS,
    },
    required=("externalId",),
    extra=True,
)
NAME_IDENTITY = Record(members={"identity": _NOT_EMPTY}, required=("identity",))
UPDATE_IDENTITY = Record(
    members={"identity": _NOT_EMPTY, "meta": _META, "ratelimits": _RATELIMITS},
    required=("identity",),
)

_NAMESPACE = Text(shortest=1, longest=512)
_IDENTIFIER = Text(shortest=1, longest=512)

LIMIT = Record(
    members={
        "namespace": _NAMESPACE,
        "identifier": _IDENTIFIER,
        "limit": Whole(least=1),
        "duration": Whole(least=1000, most=2_592_000_000),
        "cost": Whole(least=0),
    },
    required=("namespace", "identifier", "limit", "duration"),
)
MULTI_LIMIT = Series(item=LIMIT, fewest=1, most=100)
SET_OVERRIDE = Record(
    members={
        "namespace": _NAMESPACE,
        "identifier": _IDENTIFIER,
        "limit": Whole(least=0),
        "duration": Whole(least=1000),
    },
    required=("namespace", "identifier", "limit", "duration"),
)
NAME_OVERRIDE = Record(
    members={"namespace": _NAMESPACE, "identifier": _IDENTIFIER},
    required=("namespace", "identifier"),
)
LIST_OVERRIDES = Record(
    members={"namespace": _NAMESPACE, "cursor": Text(), "limit": _PAGE_SIZE},
    required=("namespace",),
)

GET_VERIFICATIONS = Record(members={"query": Text()}, required=("query",), extra=True)
