"""Proxies and certificates of the environment, read once and the same way for every engine."""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from naftiko_run.errors import NaftikoError
from naftiko_run.types import Discreet, without

SCHEMES: Final = ("http://", "https://", "socks5://", "socks5h://")
"""The kinds of proxy that every engine knows (httpx2 needs ``socksio`` for the last two)."""

_CERTIFICATE: Final = re.compile(
    r"-----BEGIN (?:TRUSTED )?CERTIFICATE-----.+?-----END (?:TRUSTED )?CERTIFICATE-----", re.DOTALL
)


class Proxies(Discreet, Struct, frozen=True):
    """Which proxy leads to a host, by the rules of curl (``man curl``, ENVIRONMENT)."""

    by_scheme: Mapping[str, str]
    exceptions: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return without(self, "by_scheme")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Proxies":
        """Read ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy``.

        Lower case comes first, as for curl. In a CGI process ``HTTP_PROXY`` is a header of the
        caller's request, so that it is not read there.
        """

        def value(name: str) -> str:
            if name == "http_proxy" and "REQUEST_METHOD" in environ:
                return environ.get(name, "")
            return environ.get(name) or environ.get(name.upper(), "")

        chosen = {
            scheme: value(f"{scheme}_proxy") or value("all_proxy") for scheme in ("http", "https")
        }
        return cls(
            {scheme: _with_scheme(url.strip()) for scheme, url in chosen.items() if url.strip()},
            tuple(filter(None, re.split(r"[\s,]+", value("no_proxy").lower()))),
        )

    def find(self, scheme: str, host: str) -> str | None:
        """Return the proxy for a host, None to connect to it directly."""
        proxy = self.by_scheme.get(scheme)
        if proxy is None or any(_covers(entry, host.lower()) for entry in self.exceptions):
            return None
        return proxy


def _with_scheme(proxy: str) -> str:
    scheme, _, rest = proxy.rpartition("://")
    return f"{scheme.lower() or 'http'}://{rest}"


def _covers(entry: str, host: str) -> bool:
    if entry == "*":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        name = entry.strip(".")
        host = host.rstrip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False


def check_roots(environ: Mapping[str, str]) -> None:
    """Look whether what :func:`trusted_roots` will read can be opened; reading takes far longer.

    Raises:
        NaftikoError: with the variable and the path.
    """
    file = environ.get("SSL_CERT_FILE", "")
    if file:
        try:
            with Path(file).open("rb") as opened:
                opened.read(1)  # a folder can be opened
        except OSError as error:
            raise _unreadable("SSL_CERT_FILE", file, error) from error
    for folder in filter(None, environ.get("SSL_CERT_DIR", "").split(":")):
        try:
            os.scandir(folder).close()
        except OSError as error:
            raise _unreadable("SSL_CERT_DIR", folder, error) from error


def trusted_roots(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Read the certificates that ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` name, none if unset.

    Raises:
        NaftikoError: one cannot be read, or there is none.
    """
    files: list[Path] = []
    if environ.get("SSL_CERT_FILE"):
        files.append(Path(environ["SSL_CERT_FILE"]))
    for folder in filter(None, environ.get("SSL_CERT_DIR", "").split(":")):
        files += _files("SSL_CERT_DIR", Path(folder))
    roots: dict[str, None] = {}
    for file in files:
        try:
            text = file.read_text(encoding="ascii", errors="replace")
        except OSError as error:
            raise _unreadable("SSL_CERT_FILE", file, error) from error
        roots |= dict.fromkeys(_CERTIFICATE.findall(text))
    if files and not roots:
        raise NaftikoError("SSL_CERT_FILE and SSL_CERT_DIR name no file with a PEM certificate")
    return tuple(roots)


def _files(variable: str, folder: Path) -> list[Path]:
    try:
        return sorted(file for file in folder.iterdir() if file.is_file())
    except OSError as error:
        raise _unreadable(variable, folder, error) from error


def _unreadable(variable: str, path: Path | str, error: OSError) -> NaftikoError:
    return NaftikoError(f"{variable}: cannot read {path}: {error.strerror}")
