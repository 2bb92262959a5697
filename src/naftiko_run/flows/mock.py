"""Mock flows: an answer made of static values and the caller's arguments, with no upstream."""

from collections.abc import Callable

from msgspec import Struct

from naftiko_run.flows.inputs import Checker
from naftiko_run.mapping.json_codec import dumps
from naftiko_run.types import MISSING, Inputs, Json, Missing, Outcome


class MockFlow(Struct, frozen=True):
    """Answers with the values of the outputs; 204 where none of them has any."""

    check: Checker
    build: Callable[[Inputs], Json | Missing]

    async def __call__(self, arguments: Inputs) -> Outcome:
        """Make the answer."""
        value = self.build(self.check(arguments))
        if value is MISSING or value == {}:  # all that it is made of is absent
            return Outcome(204, b"", "")
        return Outcome(200, dumps(value), "application/json", written=True)
