"""Host and Origin rules of a listener: pages of other sites cannot reach it (DNS rebinding)."""

import ipaddress
from collections.abc import Iterable, Mapping

from starlette.types import Scope

from naftiko_run.exposes.problems import Problem


class Guard:
    """Checks which hosts a request may name.

    On a loopback address only names of this machine are accepted. On any other address an IP
    address, a name without a dot (no public site has one) and the allowed names are; ``*`` among
    them accepts every name.
    """

    def __init__(self, address: str, allowed: Iterable[str] = ()) -> None:
        """Work out what is accepted on an address."""
        self.loopback = is_loopback(address)
        self.allowed = frozenset(name.lower() for name in (*allowed, address))
        self._known: set[bytes] = set()

    def knows(self, fields: Mapping[bytes, bytes]) -> bool:
        """Say whether a request, none of whose fields comes twice, is let in as those before it."""
        return fields.get(b"host", b"") in self._known and b"origin" not in fields

    def refusal(self, scope: Scope) -> Problem | None:
        """Say why a request is refused; None lets it in."""
        host_field = origin_field = None
        for name, value in scope["headers"]:
            if name == b"host":
                if host_field is not None:
                    return Problem(400, "a request needs exactly one Host header field")
                host_field = value
            elif name == b"origin":
                if origin_field is not None:
                    return Problem(400, "a request has one Origin header field at most")
                origin_field = value
        if host_field is None:
            return Problem(400, "a request needs exactly one Host header field")
        if host_field in self._known and origin_field is None:
            return None
        host = host_field.decode("latin-1").strip()
        if not self._accepts(host):
            return Problem(
                421,
                f"the host {host!r} is not served here;"
                f" start with --allow-host {hostname(host) or 'NAME'} to accept it",
            )
        if len(self._known) < 256:
            self._known.add(host_field)
        if origin_field:
            origin = origin_field.decode("latin-1").strip()
            _, _, authority = origin.partition("://")
            if not authority or not self._accepts(authority):
                return Problem(403, f"requests of pages from {origin!r} are not accepted")
        return None

    def _accepts(self, authority: str) -> bool:
        host = hostname(authority)
        if not host:
            return False
        if "*" in self.allowed or host in self.allowed or is_loopback(host):
            return True
        if self.loopback:
            return False
        return "." not in host or _is_address(host)


def hostname(authority: str) -> str:
    """Take the host out of ``host:port``, in lower case and without brackets."""
    if "@" in authority or "/" in authority:
        return ""
    if authority.startswith("["):
        host, closed, rest = authority[1:].partition("]")
        return host.lower() if closed and rest[:1] in ("", ":") else ""
    return authority.rpartition(":")[0].lower() if ":" in authority else authority.lower()


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine and nothing else."""
    if host in ("localhost", "") or host.endswith(".localhost"):
        return host != ""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
