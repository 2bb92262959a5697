"""The errors, by whose fault they are.

NaftikoError
├─ DocumentError       the author's: findings, all of them together; exit status 1
├─ InputError          the caller's: 400, or isError in MCP; names each field
├─ VariableError       the operator's: a variable that this call needs is not set; 503
├─ UnsupportedError    the document asks for what cannot be done (a signature, a format); 501
├─ ScriptError         the author's: a script failed, or went beyond a limit; 500
│  └─ ScriptsBusy         no script can run now: as many as may are running; 503
└─ UpstreamError       the upstream's, no usable reply: 502
   ├─ UpstreamUnreachable    nothing was sent: no connection, or no TLS
   ├─ UpstreamTimeout        504
   ├─ UpstreamReset          the connection broke after the request may have been received
   └─ UnreadableReply        the reply is too large, cut short, or not in its declared format

Texts of these errors reach callers, so they never hold a secret, a query string or a stack trace.
"""

from collections.abc import Iterable

from msgspec import Struct

from naftiko_run.findings import Finding


class NaftikoError(Exception):
    """The base of all errors of this package."""


class DocumentError(NaftikoError):
    """A document that cannot be served; ``findings`` holds all that is known about it."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        """Keep the findings, in the order in which they will be shown."""
        self.findings = tuple(findings)
        super().__init__("\n".join(map(str, self.findings)))


class FieldProblem(Struct, frozen=True):
    """What is wrong with one field of a call: its name as the caller knows it."""

    field: str
    detail: str
    location: str = ""
    """``path``, ``query``, ``header``, ``cookie``, ``body`` or empty where it has no one place."""


class InputError(NaftikoError):
    """A call that is refused before anything is sent; names every field that is wrong."""

    def __init__(self, problems: Iterable[FieldProblem]) -> None:
        """Keep the problems."""
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{p.field}: {p.detail}" for p in self.problems))


class VariableError(NaftikoError):
    """A variable that this call needs has no value."""

    def __init__(self, names: Iterable[str], used_by: str) -> None:
        """Keep the variables' names and what uses them (``authentication of 'unkey'``)."""
        self.names = tuple(names)
        self.used_by = used_by
        many = len(self.names) > 1
        super().__init__(
            f"variable{'s' if many else ''} {', '.join(self.names)} ({used_by})"
            f" {'are' if many else 'is'} not set"
        )


class UnsupportedError(NaftikoError):
    """The document asks for something that this runtime refuses to do half-way."""


class ScriptError(NaftikoError):
    """A script that failed: ``what`` continues a sentence, ``line`` is 0 where none is known."""

    def __init__(self, what: str, *, file: str = "", line: int = 0, step: str = "") -> None:
        """Keep what went wrong, and where."""
        self.what = what
        self.file = file
        self.line = line
        self.step = step
        place = f"{file}:{line}" if line else file
        super().__init__(f"Script step {step!r}{f' ({place})' if place else ''} {what}")


class ScriptsBusy(ScriptError):
    """No script can run now."""


class UpstreamError(NaftikoError):
    """The upstream gave no usable reply."""


class UpstreamUnreachable(UpstreamError):
    """No connection could be made: nothing was sent."""


class UpstreamTimeout(UpstreamError):
    """The upstream took longer than the time limit."""


class UpstreamReset(UpstreamError):
    """The connection broke; the request may have been received and is not sent again."""


class UnreadableReply(UpstreamError):
    """A reply that cannot be read: too large, cut short, or not what its format promises."""
