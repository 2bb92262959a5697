"""The consumed APIs of one document, compiled; and which operation a ``call`` means."""

import re
from collections.abc import Callable, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from naftiko_run.consumes.credentials import Credentials, compile_credentials, placeholder_of
from naftiko_run.consumes.forward import CompiledForward, compile_forward
from naftiko_run.consumes.operation import CompiledOperation, compile_operation
from naftiko_run.consumes.signing import SCHEMES
from naftiko_run.consumes.target import Target, find_target
from naftiko_run.errors import UnsupportedError
from naftiko_run.findings import Finding, did_you_mean
from naftiko_run.flows.parameters import misfits
from naftiko_run.mapping.scope import ARGUMENT_ROOTS, Scope
from naftiko_run.spec.document import ConsumedOperation, Consumes, Forward, Loaded, Unit
from naftiko_run.types import Binds, Client, Discreet, without

_ORIGIN = re.compile(r"(https?://[^/?#]+)(.*)", re.IGNORECASE | re.DOTALL)


class Sandbox(Discreet, Struct, frozen=True):
    """A stand-in for a real origin: where it listens and the credential that it accepts."""

    url: str
    credential: str

    def __repr__(self) -> str:
        return without(self, "credential")


class Upstreams(Struct, frozen=True):
    """Where consumed APIs are really called.

    ``urls`` replace the base URI of a namespace (upper or lower case, ``-`` or ``_``), ``origin``
    the scheme and authority of all, ``sandboxes`` those of a real origin.
    """

    urls: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    sandboxes: Mapping[str, Sandbox] = field(default_factory=dict)

    def url(self, namespace: str) -> str:
        """Return the replacement of a namespace's base URI, empty where there is none."""
        return self.urls.get(namespace, self.urls.get(namespace.upper().replace("-", "_"), ""))

    def sandbox(self, api: Consumes) -> tuple[Sandbox, str] | None:
        """Return the sandbox of an API and the path of its base URI, where it has one."""
        if self.origin or self.url(api.namespace):
            return None
        match = _ORIGIN.match(api.base_uri)
        found = self.sandboxes.get(match[1].lower()) if match else None
        return (found, match[2]) if found and match else None


class _Always(Binds):
    """Answers for every variable with one credential: the sandbox knows no other."""

    __slots__ = ("_credential",)

    def __init__(self, credential: str) -> None:
        super().__init__()
        self._credential = credential

    def declares(self, name: str) -> bool:  # noqa: ARG002 - every one
        return True

    def value(self, name: str) -> str | None:  # noqa: ARG002 - every one
        return self._credential


class Called(Struct, frozen=True):
    """An operation of an API, as written and as compiled."""

    api: "Api"
    spec: ConsumedOperation
    compiled: CompiledOperation
    problem: Finding | None
    repeated: bool = False


class Api:
    """One consumed namespace: its target, credentials, and operations by name."""

    def __init__(
        self, spec: Consumes, scope: Scope, upstreams: Upstreams, client: Client, *, strict: bool
    ) -> None:
        """Resolve target and credentials, and compile every operation."""
        self.spec = spec
        self.scope = scope
        self.strict = strict
        self.sandboxed = upstreams.sandbox(spec)
        if self.sandboxed:
            sandbox, path = self.sandboxed
            scope = replace(scope, binds=_Always(sandbox.credential))
            self.target = Target(sandbox.url.rstrip("/") + path.rstrip("/"), {})
        else:
            self.target = find_target(
                spec,
                scope,
                upstream=upstreams.url(spec.namespace),
                origin=upstreams.origin,
                credential=placeholder_of(spec),
            )
        self.credentials = _supported(compile_credentials(spec, scope))
        self.client = self._signing(client)
        self.operations: dict[str, Called] = {}
        for operation in spec.operations:
            self.add(operation)

    def add(self, operation: ConsumedOperation) -> None:
        """Compile an operation; of one name the first counts."""
        known = self.operations.get(operation.name)
        if known is not None:
            self.scope.report(
                operation.where.warning(
                    "W-OP-DUP",
                    f"operation {operation.name!r} is defined twice: the first one counts",
                    "rename one of them",
                )
            )
            self.operations[operation.name] = replace(known, repeated=True)
            return
        for parameter in operation.parameters:
            for finding in misfits(parameter):
                self.scope.report(finding)
        compiled, problem = self._compile(operation, frozenset())
        self.operations[operation.name] = Called(self, operation, compiled, problem)

    def with_overrides(self, called: Called, names: frozenset[str]) -> CompiledOperation:
        """Compile an operation that also takes values which it does not declare."""
        silent = replace(self.scope, report=lambda _: None)
        return self._compile(called.spec, names, silent)[0]

    def _compile(
        self, operation: ConsumedOperation, overrides: frozenset[str], scope: Scope | None = None
    ) -> tuple[CompiledOperation, Finding | None]:
        scope = (scope or self.scope).of_its_own()
        compiled, problem = compile_operation(
            operation,
            self.spec,
            scope=scope,
            target=self.target,
            credentials=self.credentials,
            client=self.client,
            overrides=overrides,
            strict_paths=self.strict,
        )
        return compiled, problem or scope.left_out(operation.where)

    def _signing(self, client: Client) -> Client:
        credentials = self.credentials
        if not credentials.scheme or credentials.unset or credentials.refusal:
            return client
        try:
            return SCHEMES[credentials.scheme](client, credentials.fields)
        except UnsupportedError as error:
            # A key that cannot be loaded, a field that is missing: refused at the call, with why.
            self.credentials = replace(credentials, refusal=str(error))
            if self.spec.authentication is not None:
                self.scope.report(
                    self.spec.authentication.where.warning(
                        "W-AUTH-UNSUPPORTED",
                        f"calls are refused: {error}",
                        "give what the scheme needs",
                    )
                )
            return client


def _supported(credentials: Credentials) -> Credentials:
    if credentials.scheme and credentials.scheme not in SCHEMES:
        refusal = f"authentication scheme {credentials.scheme!r} is not supported"
        return replace(credentials, refusal=refusal)
    return credentials


class Apis:
    """All consumed APIs of one document."""

    def __init__(
        self,
        loaded: Loaded,
        upstreams: Upstreams,
        client: Client,
        report: Callable[[Finding], None],
        *,
        strict_paths: bool,
    ) -> None:
        """Compile each API; several of one namespace become one."""
        document = loaded.document
        adapters = document.adapters if document else ()
        roots = ARGUMENT_ROOTS | {a.namespace for a in adapters if a.type != "skill"}
        self.scope = Scope(loaded.binds, roots, report)
        self.missing = loaded.missing
        self.anything_missing = loaded.anything_missing
        self.by_namespace: dict[str, Api] = {}
        for spec in loaded.consumes:
            known = self.by_namespace.get(spec.namespace)
            if known is None:
                self.by_namespace[spec.namespace] = Api(
                    spec, self.scope, upstreams, client, strict=strict_paths
                )
                continue
            report(
                spec.where.warning(
                    "W-NS-DUP",
                    f"namespace {spec.namespace!r} is consumed twice: operations are merged,"
                    " the first of a name counts",
                    "give each API a namespace of its own",
                )
            )
            other = Api(spec, self.scope, upstreams, client, strict=strict_paths)
            for name, called in other.operations.items():
                known.operations.setdefault(name, called)

    def resolve(self, unit: Unit) -> Called | Finding:
        """Find the operation that a unit calls; the finding says why there is none."""
        call = unit.call or ""
        where = unit.where.at("call")
        namespace = self._namespace(call)
        if namespace is None:
            return self._unknown_namespace(unit, call)
        name = call[len(namespace) + 1 :]
        called = self.by_namespace[namespace].operations.get(name)
        if called is not None:
            return called
        names = [f"{namespace}.{n}" for n in self.by_namespace[namespace].operations]
        return where.error(
            "E-CALL-OPERATION",
            f"no operation {name!r} in {namespace!r}",
            suggestion(call, names) or "define it, or call one that exists",
        )

    def forward(self, spec: Forward) -> CompiledForward | Finding:
        """Compile what passes requests on to an API; the finding says why there is none."""
        if spec.problem is not None:
            return spec.problem
        api = self.by_namespace.get(spec.target)
        if api is not None:
            return compile_forward(
                spec,
                api.spec,
                scope=api.scope,
                target=api.target,
                credentials=api.credentials,
                client=api.client,
            )
        where = spec.where.at("targetNamespace")
        cause = self.missing.get(spec.target) or self.anything_missing
        if cause is not None:
            return where.error(
                "E-FORWARD", f"{spec.target!r} is not there: {cause.message}", cause.fix
            )
        return where.error(
            "E-FORWARD",
            f"no consumed namespace {spec.target!r} to forward to",
            suggestion(spec.target, list(self.by_namespace))
            or "add it under 'consumes', or import it",
        )

    def _namespace(self, call: str) -> str | None:
        """Return the longest known namespace that the call begins with (names may hold dots)."""
        parts = call.split(".")
        for count in range(len(parts) - 1, 0, -1):
            if (candidate := ".".join(parts[:count])) in self.by_namespace:
                return candidate
        return None

    def _unknown_namespace(self, unit: Unit, call: str) -> Finding:
        where = unit.where.at("call")
        missing = [n for n in self.missing if call.startswith(f"{n}.")]
        cause = self.missing[missing[0]] if missing else self.anything_missing
        if "." not in call.strip("."):
            return where.error(
                "E-CALL-SYNTAX",
                f"{call!r} is not of the form namespace.operation",
                suggestion(call, self._names()) or "write 'call: <namespace>.<operation>'",
            )
        namespace = call.partition(".")[0]
        if cause is not None:
            return where.error(
                "E-CALL-IMPORT", f"{namespace!r} is not there: {cause.message}", cause.fix
            )
        return where.error(
            "E-CALL-NAMESPACE",
            f"no consumed namespace {namespace!r}",
            suggestion(call, self._names()) or "add it under 'consumes', or import it",
        )

    def _names(self) -> list[str]:
        return [f"{ns}.{op}" for ns, api in self.by_namespace.items() for op in api.operations]


def suggestion(name: str, known: list[str]) -> str:
    """Suggest what may be meant instead of a name in a document, empty where nothing is near."""
    return did_you_mean(name, known, cutoff=0.7)
