"""From loaded documents to listeners: who serves what, where, and what was left out."""

import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from naftiko_run.callers.nonces import Nonces
from naftiko_run.exposes.auth import Authenticator
from naftiko_run.exposes.router import shape, takes_rest
from naftiko_run.exposes.units import Listener, Route, SkillServer, Tool, ToolServer
from naftiko_run.findings import Finding, in_order
from naftiko_run.plan.apis import Apis, Upstreams
from naftiko_run.plan.callers import Means, authenticator_of
from naftiko_run.plan.compiled import Compiled
from naftiko_run.plan.contents import Contents, contents_of, lacking
from naftiko_run.plan.forwards import forward_route, given_away, leads_to, name_of
from naftiko_run.plan.names import tool_name
from naftiko_run.plan.runs import Compiler
from naftiko_run.plan.scripts import Scripts
from naftiko_run.plan.served import ServedContent, ServedUnit
from naftiko_run.plan.siblings import siblings_of
from naftiko_run.plan.sites import Site, Sites
from naftiko_run.plan.skills import Compiled as CompiledSkill
from naftiko_run.plan.skills import Sibling, Skills
from naftiko_run.plan.units import route_of, tool_of
from naftiko_run.scripts.workers import ScriptWorkers
from naftiko_run.spec.document import Adapter, Document, Loaded, McpResource, Unit
from naftiko_run.types import Client, Discreet, without


class Options(Discreet, Struct, frozen=True):
    """How documents are served. ``host`` is empty where none was given.

    ``nonces`` are those of Digest authentication, ``workers`` run scripts; both are the same for
    all plans of a process. Who gives workers closes them.
    """

    host: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    upstreams: Upstreams = field(default_factory=Upstreams)
    strict_paths: bool = False
    nonces: Nonces = field(default_factory=Nonces)
    workers: ScriptWorkers = field(default_factory=ScriptWorkers)

    def __repr__(self) -> str:
        return without(self, "nonces", "workers")


class Plan(Struct):
    """All listeners, every unit behind them, and the findings of compiling them."""

    listeners: list[Listener] = field(default_factory=list)
    units: list[ServedUnit] = field(default_factory=list)
    contents: list[ServedContent] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def serves_anything(self) -> bool:
        """Whether any unit works, or there is anything else that can be read."""
        return any(isinstance(u.compiled, Compiled) for u in self.units) or any(
            isinstance(content.shown, str) for content in self.contents
        )


class Planner:
    """Compiles documents one after the other; they share listeners and adapters' names."""

    def __init__(self, options: Options, client: Client) -> None:
        """Begin with an empty plan; every operation will use this client."""
        self.options = options
        self.client = client
        self.plan = Plan()
        self.sites = Sites(options.host, options.ports)

    def add(self, loaded: Loaded) -> None:
        """Compile a document; what cannot be served of it is left out with its finding."""
        if loaded.document is None:
            self.plan.findings.extend(loaded.findings)
        else:
            _Compiler(self, loaded, loaded.document).run()

    def forget(self) -> list[Finding]:
        """Drop what was compiled, but not which names are taken; give the findings."""
        findings = self.plan.findings
        self.plan = Plan()
        self.sites.forget()
        return findings

    def finish(self) -> Plan:
        """Give the plan with its listeners."""
        self.plan.listeners = self.sites.listeners()
        self.plan.findings = in_order(self.plan.findings)
        return self.plan


def compile_plan(loaded: Sequence[Loaded], options: Options, client: Client) -> Plan:
    """Compile documents that were loaded; what cannot be served is left out with its finding."""
    planner = Planner(options, client)
    for each in loaded:
        planner.add(each)
    return planner.finish()


class _Compiler:
    """Compiles one document into the plan."""

    def __init__(self, planner: Planner, loaded: Loaded, document: Document) -> None:
        self.loaded = loaded
        self.document = document
        self.options = planner.options
        self.plan = planner.plan
        self.sites = planner.sites
        self.means = Means(planner.client, planner.options.nonces)
        self.report: Callable[[Finding], None] = self.plan.findings.append
        self.apis = Apis(
            loaded,
            self.options.upstreams,
            planner.client,
            self.report,
            strict_paths=self.options.strict_paths,
        )
        scripts = Scripts(document.scripting, planner.options.workers)
        self.compiler = Compiler(self.apis, _shared_flows(document), scripts)
        self.places: list[tuple[Site, int, Adapter]] = []

    def run(self) -> None:
        first = len(self.plan.units)
        self.plan.findings.extend(self._without_sandboxed())
        exposed: dict[str, Adapter] = {}
        for written in self.document.adapters:
            if not (written.units or written.resources or written.prompts or written.forwards):
                continue
            adapter = self.sites.unique(written, self.document, self.report)
            exposed.setdefault(written.namespace, adapter)
            authenticator = authenticator_of(adapter, self.apis.scope, self.means)
            if isinstance(authenticator, Finding):
                self._left_out(adapter, authenticator)
                continue
            site = self.sites.joined(adapter, self.document, self.report)
            if adapter.type == "rest":
                site.routes.extend(self._routes(adapter, authenticator))
                site.routes.extend(self._forwards(adapter, authenticator))
            else:
                site.servers.append(self._server(adapter, authenticator))
                self.places.append((site, len(site.servers) - 1, adapter))
        self._serve_skills(siblings_of(exposed, self.plan.units[first:]))

    def _serve_skills(self, siblings: Mapping[str, Sibling]) -> None:
        skills = Skills(siblings, self.report)
        for written in self.document.adapters:
            if not written.skills:
                continue
            adapter = self.sites.unique(written, self.document, self.report)
            authenticator = authenticator_of(adapter, self.apis.scope, self.means)
            if isinstance(authenticator, Finding):
                self._left_out(adapter, authenticator)
                continue
            compiled = list(skills.of(adapter))
            self.plan.contents.extend(
                ServedContent(self.loaded.file, adapter, f"skill {each.skill.name}", each.shown)
                for each in compiled
            )
            self.sites.joined(adapter, self.document, self.report).skills.append(
                SkillServer(
                    namespace=adapter.namespace,
                    skills=tuple(each.skill for each in compiled),
                    authenticator=authenticator,
                )
            )
            self._offer(adapter, compiled)

    def _offer(self, adapter: Adapter, compiled: Sequence[CompiledSkill]) -> None:
        """Let the document's MCP adapters offer skills: those whose tools they have, or need none.

        What asks for authentication is not offered by an adapter that does not ask for the same.
        """
        for site, index, offering in self.places:
            if adapter.authentication and not _alike(adapter, offering):
                self.report(
                    adapter.where.at("authentication").notice(
                        "I-SKILL-AUTH",
                        f"{offering.namespace!r} does not offer the skills of"
                        f" {adapter.namespace!r}: it does not ask for the same authentication",
                        "give both the same 'authentication' to serve them over MCP as well",
                    )
                )
                continue
            offered = (c.skill for c in compiled if not c.needs or offering.namespace in c.needs)
            server = site.servers[index]
            site.servers[index] = replace(server, skills=(*server.skills, *offered))

    def _left_out(self, adapter: Adapter, finding: Finding) -> None:
        """Serve nothing of an adapter; its REST routes say why."""
        self.report(finding)
        for unit in adapter.units:
            name = f"{unit.method} {unit.path}" if unit.method else unit.name
            self.plan.units.append(ServedUnit(self.loaded.file, adapter, unit, name, finding))
        names = [f"resource {each.uri}" for each in adapter.resources]
        names += [f"prompt {each.name}" for each in adapter.prompts]
        names += [f"skill {each.name}" for each in adapter.skills]
        names += [name_of(each) for each in adapter.forwards]
        self.plan.contents.extend(
            ServedContent(self.loaded.file, adapter, name, finding) for name in names
        )
        if adapter.type == "rest":
            routes = (route_of(unit, adapter, finding) for unit in adapter.units)
            site = self.sites.joined(adapter, self.document, self.report)
            site.routes.extend(routes)
            site.routes.extend(forward_route(f, adapter, finding) for f in adapter.forwards)

    def _without_sandboxed(self) -> list[Finding]:
        """Leave out notices of variables that only sandboxed APIs need: they have a value."""
        apis = self.apis.by_namespace.values()
        used: dict[bool, set[str]] = {True: set(), False: set()}
        for api in apis:
            clause = api.spec.authentication
            text = f"{clause.fields if clause else ''} {api.spec.base_uri}"
            used[api.sandboxed is not None] |= set(re.findall(r"[A-Za-z_]\w*", text))
        covered = used[True] - used[False]
        return [
            f
            for f in self.loaded.findings
            if not (f.code == "I-VAR-UNSET" and f.path and f.path[-1] in covered)
        ]

    # --------------------------------------------------------------------------------- units

    def _compile(self, unit: Unit, adapter: Adapter, name: str) -> Compiled | Finding:
        compiled = self.compiler.compile(unit, adapter)
        if isinstance(compiled, Finding):
            self.report(compiled)
        self.plan.units.append(ServedUnit(self.loaded.file, adapter, unit, name, compiled))
        return compiled

    def _routes(self, adapter: Adapter, authenticator: Authenticator | None) -> list[Route]:
        routes: list[Route] = []
        taken: dict[tuple[str, str, str], Unit] = {}
        for unit in adapter.units:
            path, _, query = unit.path.partition("?")
            key = (unit.method, shape(path), query)
            earlier = taken.get(key)
            if earlier is not None:
                self._shadowed(unit, earlier, adapter)
                continue
            taken[key] = unit
            self._route_warnings(unit)
            name = f"{unit.method} {unit.path}"
            compiled = self._compile(unit, adapter, name)
            routes.append(route_of(unit, adapter, compiled, authenticator))
        return routes

    def _forwards(self, adapter: Adapter, authenticator: Authenticator | None) -> list[Route]:
        routes: dict[str, Route] = {}
        for spec in adapter.forwards:
            key = f"{shape(spec.path)}{takes_rest(spec.path)}"
            compiled = self.apis.forward(spec)
            if key in routes:
                compiled = spec.where.error(
                    "E-ROUTE-SHADOWED",
                    f"an earlier resource already forwards {spec.path}",
                    "give it a path of its own",
                )
            else:
                routes[key] = forward_route(spec, adapter, compiled, authenticator)
            if isinstance(compiled, Finding):
                self.report(compiled)
                what: str | Finding = compiled
            else:
                for finding in given_away(spec, adapter, compiled):
                    self.report(finding)
                what = leads_to(compiled)
            self.plan.contents.append(ServedContent(self.loaded.file, adapter, name_of(spec), what))
        return list(routes.values())

    def _shadowed(self, unit: Unit, earlier: Unit, adapter: Adapter) -> None:
        finding = unit.where.error(
            "E-ROUTE-SHADOWED",
            f"{unit.method} {unit.path} is already served by"
            f" {earlier.name or earlier.call or 'an earlier operation'!r}",
            "give it a path of its own",
        )
        self.report(finding)
        name = f"{unit.method} {unit.path}"
        self.plan.units.append(ServedUnit(self.loaded.file, adapter, unit, name, finding))

    def _route_warnings(self, unit: Unit) -> None:
        if "#" in unit.path:
            self.report(
                unit.where.warning(
                    "W-ROUTE-FRAGMENT",
                    f"'#' in the route {unit.path!r} is a literal character: write it as %23",
                    "remove it from the path",
                )
            )
        if "?" in unit.path:
            self.report(
                unit.where.warning(
                    "W-ROUTE-QUERY",
                    f"the query in the route {unit.path!r} must be sent with every request",
                    "give it a path of its own",
                )
            )

    def _server(self, adapter: Adapter, authenticator: Authenticator | None) -> ToolServer:
        if adapter.transport == "stdio":
            self.report(
                adapter.where.at("transport").warning(
                    "W-STDIO",
                    f"{adapter.namespace!r} asks for stdio: it is served over HTTP",
                    "remove 'transport', or write 'transport: http'",
                )
            )
        tools: list[Tool] = []
        for unit in adapter.units:
            taken = [tool.name for tool in tools]
            # A tool may take its name from the shared flow that it refers to.
            own = unit if unit.name else replace(unit, name=(unit.ref or "").rpartition(".")[2])
            name = tool_name(own.name, taken)
            self._name_warnings(own, name, taken)
            compiled = self._compile(own, adapter, name)
            if isinstance(compiled, Compiled):
                tools.append(tool_of(unit, name, compiled))
        contents = self._contents(adapter)
        info = self.document.info
        return ToolServer(
            namespace=adapter.namespace,
            title=info.label,
            version=info.version or "1.0.0",
            instructions=adapter.description,
            tools=tuple(tools),
            resources=tuple(contents.resources),
            resource_templates=tuple(contents.templates),
            prompts=tuple(contents.prompts),
            authenticator=authenticator,
            ttl_ms=adapter.ttl_ms,
            private=adapter.cache_scope == "private" if adapter.cache_scope else None,
        )

    def _contents(self, adapter: Adapter) -> Contents:
        def compiled(resource: McpResource, name: str) -> Compiled | Finding:
            found = self.compiler.compile(resource.unit, adapter)
            if isinstance(found, Compiled):
                found = lacking(resource, found) or found
            if isinstance(found, Finding):
                self.report(found)
            self.plan.units.append(
                ServedUnit(self.loaded.file, adapter, resource.unit, name, found)
            )
            return found

        contents = contents_of(adapter, compiled)
        for warning in contents.warnings:
            self.report(warning)
        for name, shown in contents.lines:
            if isinstance(shown, Finding):
                self.report(shown)
            self.plan.contents.append(ServedContent(self.loaded.file, adapter, name, shown))
        return contents

    def _name_warnings(self, unit: Unit, name: str, taken: list[str]) -> None:
        if unit.name in taken:
            self.report(
                unit.where.warning(
                    "W-TOOL-DUP",
                    f"another tool is called {unit.name!r}: this one is served as {name!r}",
                    "rename one of them",
                )
            )
        elif name != unit.name or "." in name:
            served = f": it is served as {name!r}" if name != unit.name else ""
            self.report(
                unit.where.warning(
                    "W-TOOL-NAME",
                    f"some clients refuse the tool name {unit.name!r}{served}",
                    "use at most 64 letters, digits, '_' and '-'",
                )
            )


def _alike(one: Adapter, other: Adapter) -> bool:
    """Say whether two adapters ask their callers for the same."""
    first, second = one.authentication, other.authentication
    if first is None or second is None:
        return first is second
    return (first.type, first.fields) == (second.type, second.fields)


def _shared_flows(document: Document) -> dict[str, tuple[Unit, Adapter]]:
    """Index the flows of aggregates by ``namespace.name``, each with the roots of its texts."""
    return {
        f"{aggregate.namespace}.{flow.name}": (
            flow,
            Adapter(where=aggregate.where, type="aggregate", namespace=aggregate.namespace),
        )
        for aggregate in document.aggregates
        for flow in aggregate.flows
    }
