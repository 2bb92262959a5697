"""What a plan serves, as ``inspect`` shows it and ``call`` finds it."""

from msgspec import Struct

from naftiko_run.findings import Finding
from naftiko_run.plan.compiled import Compiled
from naftiko_run.spec.document import Adapter, Unit


class ServedUnit(Struct, frozen=True):
    """A unit as ``inspect`` shows it."""

    file: str
    adapter: Adapter
    unit: Unit
    name: str
    compiled: Compiled | Finding


class ServedContent(Struct, frozen=True):
    """A folder, a prompt or a skill as ``inspect`` shows it: nothing of it is called."""

    file: str
    adapter: Adapter
    name: str
    shown: str | Finding
