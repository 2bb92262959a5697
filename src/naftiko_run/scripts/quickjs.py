"""Runs programs in JavaScript: QuickJS as WebAssembly, a new instance of it for each run.

The instance has a memory of its own and no function of this process: it can reach nothing else.
Code made of texts (``eval``, ``Function``) is refused: its statements would not count themselves.
"""

import json
import re
import secrets
from contextlib import suppress
from typing import Final

from quickjs_rs import Context, MemoryLimitError, Runtime
from quickjs_rs import TimeoutError as QuickJSTimeout
from quickjs_rs.errors import JSError, MarshalError, QuickJSError
from wasmtime import Trap, TrapCode

from naftiko_run.scripts.job import MEMORY_BYTES, End, Limits
from naftiko_run.scripts.program import Program

_SAFE: Final = 2**53 - 1
"""The largest integer that a number of JavaScript holds for sure; beyond, it is a BigInt."""
_MAY_BE_LARGE = re.compile(rb"[0-9]{16}")
_PLACE = re.compile(r":(\d{1,9}):\d{1,9}\)?\s*$")

# A script of its own: its constants are in the scope of all scripts and no property of anything.
_TOOLS: Final = """
const %(tick)s = (() => {
  const Failure = Error;
  let count = 0;
  const tick = () => {
    if (++count > %(limit)d) { throw new Failure("exceeded the statement limit (%(limit)d)"); }
  };
  tick.exceeded = () => count > %(limit)d;
  return Object.freeze(tick);
})();
const %(tools)s = (() => {
  const { parse, stringify } = JSON;
  const { isFinite } = Number;
  const { fromEntries, defineProperty, getPrototypeOf } = Object;
  const { from } = Array;
  const [BigNumber, Failure, Refusal] = [BigInt, Error, TypeError];
  const [Mapping, Collection, Promised] = [Map, Set, Promise];
  const evaluate = eval;
  const mark = "%(mark)s";
  const named = (value) => defineProperty(globalThis, value[0],
    { value: value[1], writable: true, configurable: true, enumerable: true });
  const refuse = function () { throw new Refusal("code made of texts is refused here"); };
  const kinds = [function () {}, function* () {}, async function () {}, async function* () {}];
  for (const made of kinds) {
    const own = getPrototypeOf(made);
    refuse.prototype = own;
    defineProperty(own, "constructor", { value: refuse, writable: false, configurable: false });
  }
  refuse.prototype = getPrototypeOf(function () {});
  named(["Function", refuse]);
  named(["eval", refuse]);
  // It is given the functions of the stack, and ours are among them.
  defineProperty(Failure, "prepareStackTrace",
    { value: undefined, writable: false, configurable: false });
  let take = () => undefined;
  const plain = (key, value) => {
    switch (typeof value) {
      case "number":
        if (isFinite(value)) { return value; }
        throw new Refusal(`'result' has ${value}, which is no number of JSON`);
      case "bigint": return mark + value;
      case "object":
        if (value instanceof Promised) {
          throw new Refusal("'result' has a promise: nothing waits for it");
        }
        if (value instanceof Mapping) { return fromEntries(value); }
        if (value instanceof Collection) { return from(value); }
    }
    return value;
  };
  const large = (key, value) => typeof value === "string" && value.startsWith(mark)
    ? BigNumber(value.slice(mark.length)) : value;
  return Object.freeze({
    begin: (text, larges) => {
      named(["context", larges ? parse(text, large) : parse(text)]);
      named(["result", undefined]);
    },
    run: (source) => { evaluate(source); },
    keep: (value) => { take = value; },
    result: () => {
      const value = take();
      if (value === undefined || value === null) { return ""; }
      if (typeof value === "function" || typeof value === "symbol") {
        throw new Refusal(`'result' is a ${typeof value}, which is no JSON`);
      }
      return stringify(value, plain);
    },
  });
})();
"""


def warm() -> None:
    """Compile the engine: that takes longer than most scripts."""
    Runtime().new_context().close()


def run(program: Program, limits: Limits, context: bytes) -> End:
    """Run a program once."""
    instance = Runtime(memory_limit=MEMORY_BYTES).new_context(timeout=limits.milliseconds / 1000)
    try:
        return _run(instance, program, limits, context)
    except QuickJSTimeout:
        return End(error=f"exceeded the timeout limit ({limits.milliseconds} ms)", limit=True)
    except MemoryLimitError:
        return _out_of_memory()
    except JSError as error:
        return _failed(instance, program, limits, error)
    except Trap as trap:
        if trap.trap_code in (TrapCode.STACK_OVERFLOW, TrapCode.MEMORY_OUT_OF_BOUNDS):
            return End(error="exceeded the depth that calls may have", limit=True)
        return _out_of_memory()
    except (MarshalError, QuickJSError) as error:
        return End(error=str(error))
    finally:
        # What a trap has stopped cannot close itself; its memory goes with it all the same.
        with suppress(Exception):
            instance.close()


def _out_of_memory() -> End:
    return End(error=f"exceeded the memory limit ({MEMORY_BYTES >> 20} MB)", limit=True)


def _run(instance: Context, program: Program, limits: Limits, context: bytes) -> End:
    tools = program.names.tools
    mark = secrets.token_hex(16)
    given, larges = _marked(context, mark)
    instance.eval(
        _TOOLS
        % {
            "tick": program.names.tick,
            "tools": tools,
            "limit": limits.statements,
            "mark": mark,
        }
    )
    instance.eval(f"{tools}.begin({json.dumps(given)}, {'true' if larges else 'false'})")
    keep = f'{tools}.keep(() => typeof result === "undefined" ? undefined : result);'
    instance.eval(f"{tools}.run({json.dumps(program.source + keep)})")
    result = instance.eval(f"{tools}.result()")
    if not isinstance(result, str):
        return End(error="'result' is no JSON")
    text = re.sub(rf'"{mark}(-?\d+)"', r"\1", result) if mark in result else result
    return End(result=text.encode())


def _marked(context: bytes, mark: str) -> tuple[str, bool]:
    """Write large integers as texts with a mark before them, as JSON.parse would round them."""
    if not _MAY_BE_LARGE.search(context):
        return context.decode(), False

    def integer(digits: str) -> int | str:
        value = int(digits)
        return value if -_SAFE <= value <= _SAFE else mark + digits

    return json.dumps(json.loads(context, parse_int=integer)), True


def _failed(instance: Context, program: Program, limits: Limits, error: JSError) -> End:
    if instance.eval(f"{program.names.tick}.exceeded()"):
        return End(error=f"exceeded the statement limit ({limits.statements})", limit=True)
    return End(error=str(error), line=_line(error.stack or ""))


def _line(stack: str) -> int:
    """Find the line of the program in which an error arose: the engine names texts ``<input>``."""
    for frame in stack.splitlines():
        if "eval_script" not in frame and (found := _PLACE.search(frame)):
            return int(found[1])
    return 0
