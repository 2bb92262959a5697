"""HTTP Digest access authentication (RFC 7616, and servers of RFC 2617 and 2069).

The first request to a server goes out without an answer, for there is no nonce yet, but with its
whole body: a server that asks for no authentication has then been sent what was meant, and many
servers read the body before they challenge. The 401 says that the request was not carried out, so
sending it again does not repeat it. Later requests answer the last nonce at once; only when the
server has replaced the nonce does one cost a second round trip.

A request is sent at most three times: as it is or with an old nonce, with a new one, and once more
if that one is stale already. A password that is refused is not tried twice.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from itertools import count
from urllib.parse import quote

from msgspec import Struct, field
from msgspec.structs import replace

from naftiko_run.consumes.signing.challenge import Challenge, challenges, parameters
from naftiko_run.consumes.signing.message import (
    Decorator,
    Send,
    fits_header,
    origin_of,
    target_of,
    with_header,
)
from naftiko_run.errors import UnsupportedError
from naftiko_run.types import Client, Discreet, Reply, Request, StreamedReply, Upload, without

# The names of algorithms in lower case and without "-sess", weakest first.
_HASHES = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}


def fresh_cnonce() -> str:
    """Return 128 random bits in hexadecimal digits."""
    return secrets.token_hex(16)


class Digest(Decorator):
    """Answers a server's Digest challenges with a user name and a password.

    Raises:
        UnsupportedError: ``send`` raises it when a challenge asks for what cannot be computed.

    """

    def __init__(
        self,
        inner: Client,
        username: str,
        password: str,
        *,
        cnonce: Callable[[], str] = fresh_cnonce,
    ) -> None:
        super().__init__(inner)
        if not username.isprintable():
            raise UnsupportedError("the user name holds characters that no header can carry")
        self._username = username
        self._password = password
        self._cnonce = cnonce
        self._sessions: dict[str, Session] = {}

    async def send(self, request: Request) -> Reply:
        """Send a request, and again with an answer when the server challenges it."""
        return await self._converse(request, self._inner.send)

    async def stream(self, request: Request, upload: Upload | None = None) -> StreamedReply:
        """Do the same for a reply that is passed on; what may be sent again must be whole."""
        if upload is not None:
            raise UnsupportedError("digest authentication needs the whole body")
        return await self._streamed(lambda send: self._converse(request, send))

    async def _converse(self, request: Request, send: Send) -> Reply:
        origin = origin_of(request.url)
        session = self._sessions.get(origin)
        reply = await send(session.answered(request) if session else request)
        for attempt in range(2):
            terms = _offered(reply) if reply.status == 401 else None
            if terms is None or (attempt > 0 and not terms.stale):
                break
            session = Session.opened(terms, self._username, self._password, self._cnonce())
            self._sessions[origin] = session
            reply = await send(session.answered(request))
        if session is not None and self._sessions.get(origin) is session:
            self._learn(origin, session, reply)
        return reply

    def _learn(self, origin: str, session: "Session", reply: Reply) -> None:
        """Forget a session that was refused; take the nonce that the server wants used next."""
        if reply.status == 401:
            del self._sessions[origin]
        elif nonce := parameters(reply.header("authentication-info") or "").get("nextnonce"):
            self._sessions[origin] = replace(session, nonce=nonce, uses=count(1))


class Terms(Struct, frozen=True, kw_only=True):
    """A challenge, read and found answerable; what the server left out is empty."""

    realm: str
    nonce: str
    opaque: str | None
    algorithm: str
    qop: str
    userhash: bool
    stale: bool

    @property
    def hash_name(self) -> str:
        """The algorithm without "-sess"; MD5 is the default of the RFCs."""
        return (self.algorithm or "md5").lower().removesuffix("-sess")

    @property
    def session(self) -> bool:
        """Whether the first nonces go into the secret of all answers."""
        return self.algorithm.lower().endswith("-sess")

    def digest(self, data: str | bytes) -> str:
        """Hash text or bytes into hexadecimal digits."""
        data = data.encode() if isinstance(data, str) else data
        return hashlib.new(_HASHES[self.hash_name], data, usedforsecurity=False).hexdigest()


class Session(Discreet, Struct, frozen=True, kw_only=True):
    """The use of one nonce: who answers it, and how often it was answered."""

    terms: Terms
    nonce: str
    cnonce: str
    user: str
    secret: str  # the hash of A1: as good as the password
    uses: Iterator[int] = field(default_factory=lambda: count(1))

    def __repr__(self) -> str:
        return without(self, "secret", "uses")

    @classmethod
    def opened(cls, terms: Terms, username: str, password: str, cnonce: str) -> "Session":
        """Begin to answer a challenge."""
        secret = terms.digest(f"{username}:{terms.realm}:{password}")
        if terms.session:
            secret = terms.digest(f"{secret}:{terms.nonce}:{cnonce}")
        if terms.userhash:
            user = f'username="{terms.digest(f"{username}:{terms.realm}")}"'
        elif fits_header(username):
            user = f"username={_quoted(username)}"
        else:
            user = f"username*=UTF-8''{quote(username, safe='')}"
        return cls(terms=terms, nonce=terms.nonce, cnonce=cnonce, user=user, secret=secret)

    def answered(self, request: Request) -> Request:
        """Return the request with its answer to the challenge."""
        return with_header(request, "Authorization", self.answer(request))

    def answer(self, request: Request) -> str:
        """Return the Authorization field of one request (RFC 7616 section 3.4)."""
        terms, uri = self.terms, target_of(request.url)
        uses = f"{next(self.uses):08x}"  # indivisible: requests in parallel get different counts
        action = f"{request.method}:{uri}"
        if terms.qop == "auth-int":
            action += f":{terms.digest(request.body or b'')}"
        middle = (uses, self.cnonce, terms.qop) if terms.qop else ()
        proof = terms.digest(":".join((self.secret, self.nonce, *middle, terms.digest(action))))

        fields = [
            self.user,
            f"realm={_quoted(terms.realm)}",
            f"nonce={_quoted(self.nonce)}",
            f"uri={_quoted(uri)}",
            f'response="{proof}"',
        ]
        if terms.algorithm:
            fields.append(f"algorithm={terms.algorithm}")
        if terms.opaque is not None:
            fields.append(f"opaque={_quoted(terms.opaque)}")
        if terms.qop:
            fields += [f"qop={terms.qop}", f"nc={uses}"]
        if terms.qop or terms.session:
            fields.append(f'cnonce="{self.cnonce}"')
        if terms.userhash:
            fields.append("userhash=true")
        return f"Digest {', '.join(fields)}"


def _offered(reply: Reply) -> Terms | None:
    """Return the strongest Digest challenge of a reply, or ``None`` where it has none.

    RFC 7616 section 3.7 lets a client's policy go before the server's order.
    """
    offers, refusals = [], []
    for challenge in challenges(reply):
        if challenge.scheme == "digest":
            try:
                offers.append(_terms(challenge))
            except UnsupportedError as error:
                refusals.append(error)
    if offers:
        return max(offers, key=lambda terms: list(_HASHES).index(terms.hash_name))
    if refusals:
        raise refusals[0]
    return None


def _terms(challenge: Challenge) -> Terms:
    asked = challenge.parameters
    algorithm = asked.get("algorithm", "")
    terms = Terms(
        realm=asked.get("realm", ""),
        nonce=asked.get("nonce", ""),
        opaque=asked.get("opaque"),
        algorithm=algorithm,
        qop=_qop(asked.get("qop", "")),
        userhash=asked.get("userhash", "").lower() == "true",
        stale=asked.get("stale", "").lower() == "true",
    )
    if _HASHES.get(terms.hash_name) not in hashlib.algorithms_available:
        raise UnsupportedError(f"the digest algorithm {algorithm[:40]!r} is not supported")
    if not terms.nonce:
        raise UnsupportedError("the digest challenge has no nonce")
    return terms


def _qop(offered: str) -> str:
    """Prefer ``auth``, which servers know best; none at all is RFC 2069."""
    if not offered.strip():
        return ""
    names = {name.strip().lower() for name in offered.split(",")}
    for name in ("auth", "auth-int"):
        if name in names:
            return name
    raise UnsupportedError(f"the digest quality of protection {offered[:40]!r} is not supported")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
