"""Script steps, compiled: from the texts of a step to a function over its context."""

from collections.abc import Awaitable, Callable

from naftiko_run.errors import ScriptError
from naftiko_run.findings import Finding
from naftiko_run.mapping.json_codec import dumps, loads
from naftiko_run.scripts.job import Limits
from naftiko_run.scripts.program import Program, compile_program
from naftiko_run.scripts.texts import ScriptSyntaxError, ScriptText
from naftiko_run.scripts.workers import ScriptWorkers
from naftiko_run.spec.document import Script, Scripting, Step
from naftiko_run.types import MISSING, Inputs, Json, Missing

Function = Callable[[Inputs], Awaitable[Json | Missing]]


class Scripts:
    """Compiles the script steps of one document: its limits are those of all its scripts."""

    def __init__(self, scripting: Scripting, workers: ScriptWorkers) -> None:
        """Keep where scripts run, and how far they may go."""
        self._limits = Limits(scripting.statement_limit, scripting.timeout)
        self._workers = workers

    def step(self, step: Step, script: Script) -> Function | Finding:
        """Compile a step; the finding says why it cannot run."""
        if script.problem is not None:
            return script.problem
        if not script.texts:
            what = f"the file {script.file!r} was not read"
            return step.where.at("file").error("E-SCRIPT-FILE", what, "load it from a file")
        try:
            program = compile_program(
                script.language, [ScriptText(name, text) for name, text in script.texts]
            )
        except ScriptSyntaxError as error:
            return step.where.at("file").error("E-SCRIPT-SYNTAX", str(error), "mend the script")
        return self._function(step.name, program)

    def _function(self, name: str, program: Program) -> Function:
        limits, workers = self._limits, self._workers

        async def run(context: Inputs) -> Json | Missing:
            try:
                result = await workers.run(program, limits, dumps(dict(context)))
                value = loads(result) if result else None
            except ScriptError as error:
                raise type(error)(error.what, file=error.file, line=error.line, step=name) from None
            except ValueError as error:
                what = f"failed: 'result' cannot be read: {error}"
                raise ScriptError(what, file=program.places[-1][1], step=name) from None
            return MISSING if value is None else value

        return run
