"""The upstream HTTP client: a request in, a whole reply out, by the engine that this machine has.

What holds for every engine (:mod:`naftiko_run.consumes.engines`):

* The request goes out as it is given: no redirect is followed, no cookie is kept, the bytes of the
  URL are not touched. ``User-Agent``, ``Accept: */*`` and ``Accept-Encoding`` are added where they
  are missing.
* It is sent once. A pooled connection that turns out to be closed before anything was written is
  replaced; after that a failure is reported, because the upstream may have acted.
* It is HTTP/1.1, also where HTTP/2 could be had: all engines do the same, a connection that dies
  takes one call with it, and nothing is left to a peer's settings.
* The reply is whole, decoded and within :class:`ClientLimits`, or there is an error.
"""

import importlib
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Final

from msgspec.structs import replace

from naftiko_run.consumes.engines import faults, urls
from naftiko_run.consumes.engines.settings import ClientLimits, EngineError, EngineSettings
from naftiko_run.consumes.proxies import SCHEMES, Proxies, check_roots, trusted_roots
from naftiko_run.errors import NaftikoError, UnsupportedError
from naftiko_run.types import Reply, Request, StreamedReply, StreamingClient, Upload

__all__ = ["ClientLimits", "create_client"]

_log = logging.getLogger(__name__)

Engine = Callable[[EngineSettings], StreamingClient]
"""Makes a client; raises :class:`EngineError` or :class:`ImportError` where it cannot work."""


def create_client(
    limits: ClientLimits, *, engine: str | None = None, environ: Mapping[str, str]
) -> StreamingClient:
    """Make a client with its own pool of connections.

    ``engine`` (else ``NAFTIKO_ENGINE``) names one of :data:`ENGINES`; without it the first that
    works here is used. Proxies and certificates come from ``environ``.

    Raises :class:`NaftikoError` where the engine or a certificate file cannot be used. The files
    are opened now and read when TLS is first needed.
    """
    check_roots(environ)
    settings = EngineSettings(limits=limits, roots=cache(lambda: trusted_roots(environ)))
    name = engine or environ.get("NAFTIKO_ENGINE") or None
    direct = _choose([name] if name else ENGINES, settings)
    proxies = Proxies.from_environ(environ)
    engines = [name] if name in _PROXIED else _PROXIED
    return _Routed(engines, settings, proxies, direct) if proxies.by_scheme else direct


class _Routed:
    """Sends each request through the proxy that its host calls for, with one client per proxy."""

    def __init__(
        self,
        engines: Iterable[str],
        settings: EngineSettings,
        proxies: Proxies,
        direct: StreamingClient,
    ) -> None:
        self._engines = engines
        self._settings = settings
        self._proxies = proxies
        self._clients: dict[str | None, StreamingClient] = {None: direct}

    async def send(self, request: Request) -> Reply:
        """Send one request and read the whole reply."""
        return await self._chosen(request).send(request)

    async def stream(self, request: Request, upload: Upload | None = None) -> StreamedReply:
        """Send one request and read the head of its reply."""
        return await self._chosen(request).stream(request, upload)

    def _chosen(self, request: Request) -> StreamingClient:
        try:
            parts = urls.split(request.url)
        except ValueError:
            raise faults.unsendable(request.url) from None
        proxy = self._proxies.find(parts.scheme, parts.host)
        if proxy is not None and not proxy.startswith(SCHEMES):
            raise faults.unreachable(request.url, "its proxy cannot be used")
        client = self._clients.get(proxy)
        if client is None:
            client = self._clients[proxy] = self._client(request.url, proxy)
        return client

    def _client(self, url: str, proxy: str | None) -> StreamingClient:
        try:
            return _choose(self._engines, replace(self._settings, proxy=proxy))
        except (ValueError, NaftikoError):
            raise faults.unreachable(url, "its proxy cannot be used") from None

    async def aclose(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            await client.aclose()


def _choose(names: Iterable[str], settings: EngineSettings) -> StreamingClient:
    """Make a client with the first of these engines that works here."""
    problems = []
    for candidate in names:
        if candidate not in ENGINES:
            known = " or ".join(", ".join(ENGINES).rsplit(", ", 1))
            raise UnsupportedError(f"engine {candidate!r} is not known: use {known}")
        try:
            return _load(candidate)(settings)
        except ImportError as error:
            # Nothing to mend: there is no wheel for this machine.
            problems.append(f"engine {candidate} is not installed: {error}")
            _log.info(problems[-1])
        except EngineError as error:
            problems.append(f"engine {candidate} cannot be used: {error}")
            _log.warning(problems[-1])
    raise NaftikoError("; ".join(problems))


def _load(name: str) -> Engine:
    module, _, attribute = ENGINES[name].partition(":")
    make: Engine = getattr(importlib.import_module(module), attribute)
    return make


ENGINES: Final = {
    "httptools": "naftiko_run.consumes.engines.direct:DirectClient",
    "pyreqwest": "naftiko_run.consumes.engines.rust:RustClient",
    "httpx2": "naftiko_run.consumes.engines.portable:PortableClient",
}
"""Best first; a module is imported only when its engine is chosen."""

_PROXIED: Final = ("pyreqwest", "httpx2")
"""The engines that go through proxies, best first."""
