"""What a unit is once it is compiled: its flow, its arguments, and what ``inspect`` shows of it."""

from msgspec import Struct, field

from naftiko_run.consumes.operation import CompiledOperation
from naftiko_run.spec.document import Semantics
from naftiko_run.types import Argument, Flow


class Call(Struct, frozen=True):
    """One upstream call of a unit, as ``inspect`` shows it."""

    step: str
    operation: CompiledOperation
    credentials: str
    bindings: tuple[tuple[str, str], ...]


class Run(Struct, frozen=True):
    """One script of a unit, as ``inspect`` shows it: ``shown`` is its language and file."""

    step: str
    shown: str
    bindings: tuple[tuple[str, str], ...]


class Compiled(Struct, frozen=True):
    """A unit that works: its flow, its arguments, and what it says of itself where it is silent."""

    flow: Flow
    arguments: tuple[Argument, ...]
    calls: tuple[Call | Run, ...] = ()
    name: str = ""
    description: str = ""
    semantics: Semantics = field(default_factory=Semantics)
    shaped: bool = False
    stages: int = 1
    """How many parts a run has that a caller may hear of."""

    media_type: str | None = None
    """What an answer is that is passed on as it is: empty as the upstream says, None is JSON."""
