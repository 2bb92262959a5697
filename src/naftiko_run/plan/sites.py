"""Where adapters are served: the address and port of each, and a namespace that no other has."""

from collections.abc import Callable, Mapping
from itertools import count

from msgspec import Struct, field
from msgspec.structs import replace

from naftiko_run.exposes.guard import is_loopback
from naftiko_run.exposes.units import Listener, Route, SkillServer, ToolServer
from naftiko_run.findings import Finding
from naftiko_run.spec.document import Adapter, Document, Info

DEFAULT_PORTS = {"rest": 8080, "mcp": 9090, "skill": 3011}
LOOPBACK = "127.0.0.1"


class Site(Struct):
    """What gathers at one address and port."""

    address: str
    port: int
    routes: list[Route] = field(default_factory=list)
    servers: list[ToolServer] = field(default_factory=list)
    skills: list[SkillServer] = field(default_factory=list)
    adapters: list[str] = field(default_factory=list)
    infos: list[Info] = field(default_factory=list)

    def listener(self) -> Listener:
        """Give what serves it; where documents share it, it has no one version."""
        versions = {info.version for info in self.infos}
        return Listener(
            address=self.address,
            port=self.port,
            routes=tuple(self.routes),
            servers=tuple(self.servers),
            skills=tuple(self.skills),
            adapters=tuple(self.adapters),
            title=" and ".join(dict.fromkeys(info.label for info in self.infos)),
            description="\n\n".join(
                dict.fromkeys(i.description for i in self.infos if i.description)
            ),
            version=versions.pop() if len(versions) == 1 else "",
        )


class Sites:
    """The sites of all documents, which share them and the namespaces of their adapters."""

    def __init__(self, host: str, ports: Mapping[str, int]) -> None:
        """Begin without any; ``host`` is empty where none was given, ``ports`` are by namespace."""
        self._host = host
        self._ports = ports
        self._sites: dict[tuple[str, int, str], Site] = {}
        self._namespaces: set[str] = set()

    def unique(
        self, adapter: Adapter, document: Document, report: Callable[[Finding], None]
    ) -> Adapter:
        """Give the second adapter of one namespace another prefix: both stay reachable."""
        if adapter.namespace not in self._namespaces:
            self._namespaces.add(adapter.namespace)
            return adapter
        # Names that are written in this document are kept for those that have them.
        taken = self._namespaces.union(a.namespace for a in document.adapters)
        names = (f"{adapter.namespace}-{number}" for number in count(2))
        name = next(name for name in names if name not in taken)
        self._namespaces.add(name)
        report(
            adapter.where.at("namespace").warning(
                "W-ADAPTER-DUP",
                f"another adapter is called {adapter.namespace!r}: this one is served as {name!r}",
                "give each adapter a namespace of its own",
            )
        )
        return replace(adapter, namespace=name, written_as=adapter.namespace)

    def joined(
        self, adapter: Adapter, document: Document, report: Callable[[Finding], None]
    ) -> Site:
        """Return the site of an adapter, which is one of those there from now on."""
        site = self._site(adapter, report)
        site.adapters.append(adapter.namespace)
        site.infos.append(document.info)
        return site

    def listeners(self) -> list[Listener]:
        """Give what serves each site, in the order in which adapters joined them."""
        return [site.listener() for site in self._sites.values()]

    def forget(self) -> None:
        """Drop the sites, but not which namespaces are taken."""
        self._sites.clear()

    def _site(self, adapter: Adapter, report: Callable[[Finding], None]) -> Site:
        port = self._ports.get(adapter.namespace, adapter.port)
        if port is None:
            port = DEFAULT_PORTS[adapter.type]
        address = self._address(adapter, report)
        key = (address, port, adapter.namespace if port == 0 else "")
        return self._sites.setdefault(key, Site(address, port))

    def _address(self, adapter: Adapter, report: Callable[[Finding], None]) -> str:
        host = self._host or LOOPBACK
        written = adapter.address
        if not written or written == host:
            return host
        if is_loopback(written):
            return LOOPBACK if written == "localhost" else written
        if self._host in ("0.0.0.0", "::"):  # noqa: S104 - as the operator asked
            return written
        report(
            adapter.where.at("address").notice(
                "I-ADDRESS",
                f"address {written!r} is not used: {adapter.namespace!r} listens on {host}",
                f"start with --host {written} to publish it",
            )
        )
        return host
