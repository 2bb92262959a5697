"""Forwards: a caller's request passed on to a consumed API as it came, credentials added.

What the document says of every request to the API (its client-level parameters, its credentials)
is worked out by the same code as for operations. Of what the caller says, the method, the rest of
the path, the query and the body go on, and the header fields of :data:`COPIED` and of the
forward's ``trustedHeaders``; where both say something, the document's counts.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import unquote_plus, unquote_to_bytes

from msgspec import Struct
from msgspec.structs import replace

from naftiko_run.consumes.credentials import Credentials
from naftiko_run.consumes.operation import CompiledOperation, compile_operation
from naftiko_run.consumes.signing import WHOLE_BODY
from naftiko_run.consumes.target import Target
from naftiko_run.errors import FieldProblem, InputError, UnsupportedError
from naftiko_run.findings import Finding
from naftiko_run.mapping.scope import Scope
from naftiko_run.spec.document import ConsumedOperation, Consumes, Forward
from naftiko_run.types import (
    Client,
    Discreet,
    Forwarded,
    Headers,
    Request,
    StreamedReply,
    StreamingClient,
)

COPIED: Final = frozenset({"accept", "accept-encoding", "content-encoding", "content-type"})
"""What a body cannot be read without, and in which form its reader wants the answer."""

NEVER: Final = frozenset(
    "connection content-length expect host http2-settings keep-alive proxy-authenticate"
    " proxy-authorization proxy-connection te trailer transfer-encoding upgrade".split()
)
"""Fields of one connection, or of one message's framing, or that choose the host."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SENDABLE: Final = re.compile(r"[!\"$-\[\]-~]*")
_OVERLONG: Final = (b"\xc0\xae", b"\xc0\xaf", b"\xc1\x9c")
"""``.``, ``/`` and a backslash as some decoders still read them, against RFC 3629 section 3."""
_UNICODE: Final = re.compile(rb"%u(?:002[ef]|005c|ff0[ef]|ff3c)", re.IGNORECASE)
"""The same three as some servers read them in an encoding that no standard of URLs has."""
_ROUNDS: Final = 3


class CompiledForward(Discreet, Struct, frozen=True):
    """Passes requests on to one consumed API.

    ``template`` is the address as people may see it, and ``credential`` where the credential
    goes, not what it is. ``whole`` says that a request's body must be
    there before it is sent, because its signature covers it. Calling it raises
    :class:`InputError` for a path or query that cannot be passed on, and the client's errors.
    """

    api: str
    template: str
    base: str
    constants: CompiledOperation
    trusted: frozenset[str]
    credential: str
    client: Client
    whole: bool

    def __repr__(self) -> str:
        """Show where it goes; what it sends along may be secret."""
        return f"{self.api}: {self.template}"

    async def __call__(self, asked: Forwarded) -> StreamedReply:
        """Pass a request on, and give the reply as it comes."""
        refusal = self.constants.refusal
        if refusal is not None:
            raise refusal.with_traceback(None)
        if not isinstance(self.client, StreamingClient):
            raise UnsupportedError("this client passes no bodies on")
        return await self.client.stream(self.request(asked), asked.upload)

    def request(self, asked: Forwarded) -> Request:
        """Make the request, without its signature where a scheme signs."""
        check_path(asked.path)
        own = self.constants.request(asked.captures)
        _, _, added = own.url.partition("?")
        query = _query(asked.query, added, asked.private)
        url = f"{self.base}/{asked.path}"
        return Request(
            asked.method,
            f"{url}?{query}" if query else url,
            self._headers(asked.headers, own.headers),
            asked.body,
        )

    def _headers(self, given: Headers, own: Headers) -> Headers:
        decided = {name.lower() for name, _ in own}
        named = {
            token.strip().lower()
            for name, value in given
            if name == "connection"
            for token in value.split(",")
        }
        passed = (COPIED | self.trusted) - decided - named
        headers = [*own, *(h for h in given if h[0] in passed)]
        if not any(name.lower() == "accept-encoding" for name, _ in headers):
            # What the caller did not ask for it may not be able to read.
            headers.append(("Accept-Encoding", "identity"))
        return tuple(headers)


def check_path(path: str) -> None:
    """Refuse what a server could take for a way out of the base path, or for another host.

    Servers decode once or twice, before or after they split, and some take a backslash for a
    slash or cut parameters off a segment: a path is refused where any reading of it would leave.
    """
    if not _SENDABLE.fullmatch(path) or "?" in path:
        raise _bad_path("holds a character that no path may have")
    data = path.encode()
    for _ in range(_ROUNDS):
        if any(byte < 0x20 or byte in b"\\\x7f" for byte in data):
            raise _bad_path("holds a backslash or a control character")
        if data.startswith(b"/"):
            raise _bad_path("begins with a slash")
        if any(each in data for each in _OVERLONG):
            raise _bad_path("holds an overlong encoding")
        if _UNICODE.search(data):
            raise _bad_path("holds an encoding that no URL has")
        if any(part.partition(b";")[0].strip() in (b".", b"..") for part in data.split(b"/")):
            raise _bad_path("holds '.' or '..' as a segment")
        decoded = unquote_to_bytes(data)
        if decoded == data:
            return
        data = decoded
    raise _bad_path("is encoded too often")


def _bad_path(why: str) -> InputError:
    return InputError([FieldProblem("path", f"{why}: it is not passed on", "path")])


def _query(given: str, added: str, private: str) -> str:
    """Join what the caller asks with what the document adds.

    The caller's text stays as it is, but for parameters that the document gives itself and the one
    that was meant for this server.
    """
    if not _SENDABLE.fullmatch(given):
        raise InputError(
            [FieldProblem("query", "holds a character that no query may have", "query")]
        )
    taken = set(_names(added))
    if private:
        taken.add(private.casefold())
    if taken and given:
        pairs = given.split("&")
        given = "&".join(pair for pair in pairs if not taken.intersection(_names(pair)))
    return f"{given}&{added}" if given and added else given or added


def _names(query: str) -> Iterator[str]:
    """Give the names in a query as its readers may see them: some split it at ``;`` as well."""
    for pair in query.replace(";", "&").split("&"):
        if pair:
            yield unquote_plus(pair.partition("=")[0], errors="replace").strip().casefold()


# ------------------------------------------------------------------------------------- compile


def compile_forward(
    spec: Forward,
    api: Consumes,
    *,
    scope: Scope,
    target: Target,
    credentials: Credentials,
    client: Client,
) -> CompiledForward | Finding:
    """Compile a forward to an API; the finding says why it cannot be served."""
    if target.problem is not None:
        return target.problem
    if credentials.body:
        return spec.where.at("targetNamespace").error(
            "E-FORWARD",
            f"the credential of {api.namespace!r} belongs into the body, which is passed on as it"
            " comes",
            "expose operations of it instead",
        )
    constants, problem = compile_operation(
        ConsumedOperation(where=spec.where, name="*", method="GET", path="", raw_format="binary"),
        replace(
            api,
            parameters=tuple(p for p in api.parameters if p.location not in ("path", "body")),
        ),
        # What its parameters and credentials lack is said for its operations, if it has any.
        scope=replace(scope, report=lambda _: None) if api.operations else scope,
        target=target,
        credentials=credentials,
        client=client,
    )
    if problem is not None:
        return problem
    base, _, query = constants.url.partition("?")
    trusted = set(trusted_headers(spec, scope.report))
    if "@" in base.partition("://")[2].partition("/")[0]:
        trusted.discard("authorization")  # the base URI has a credential for it
    fixed = "&".join(filter(None, (query, constants.fixed_query)))
    return CompiledForward(
        api=api.namespace,
        template=f"{(target.shown or target.base).partition('?')[0].rstrip('/')}/",
        base=base.rstrip("/"),
        constants=replace(constants, url=base, fixed_query=fixed),
        trusted=frozenset(name for name in trusted if not credentials.fills("header", name)),
        credential=repr(credentials),
        client=client,
        whole=credentials.scheme in WHOLE_BODY,
    )


def trusted_headers(spec: Forward, report: Callable[[Finding], None]) -> Iterator[str]:
    """Give the names of ``trustedHeaders`` in lower case, without those that are never passed."""
    for index, name in enumerate(spec.trusted):
        lower = name.strip().lower()
        where = spec.where.at("trustedHeaders", index)
        if not _TOKEN.fullmatch(lower):
            report(
                where.warning(
                    "W-FORWARD-HEADER",
                    f"{name!r} is no name of a header field: it is not passed on",
                    "write the name alone, such as X-Trace",
                )
            )
        elif lower in NEVER:
            report(
                where.warning(
                    "W-FORWARD-HEADER",
                    f"the header field {name!r} belongs to one connection: it is not passed on",
                    "remove it",
                )
            )
        else:
            yield lower
