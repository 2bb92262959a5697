"""How far a run is: told to whoever asked, and to nobody where nobody did."""

from naftiko_run.types import PROGRESS


class Progress:
    """Counts the parts of one run."""

    __slots__ = ("_done", "_report", "_total")

    def __init__(self, total: int) -> None:
        """Begin with nothing done."""
        self._report = PROGRESS.get()
        self._total = total
        self._done = 0

    async def begin(self) -> None:
        """Tell that it begins."""
        if self._report is not None:
            await self._report(0, self._total)

    async def step(self) -> None:
        """Tell that one more part is done."""
        if self._report is not None:
            self._done += 1
            await self._report(self._done, self._total)
