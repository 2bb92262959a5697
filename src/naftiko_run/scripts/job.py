"""What goes over the pipe to a worker and back: a job, then its end.

Each message is two texts with their lengths before them: a small one that says what it is, and one
that may be large, the context or the result as JSON.
"""

import json
import struct
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict

from naftiko_run.scripts.program import Names, Program

MEMORY_BYTES: Final = 128 * 1024 * 1024
"""How much memory a script may use."""
MOST_RESULT_BYTES: Final = 4 * 1024 * 1024
"""How long the JSON of a result may be."""
MOST_CONTEXT_BYTES: Final = 16 * 1024 * 1024
"""How long the JSON of a context may be."""
MOST_ERROR: Final = 1000
"""How many characters of a script's own message are told."""
DEEPEST: Final = 500
"""How deep calls in Python may be nested; the stack of JavaScript has a size of its own."""

LENGTHS: Final = struct.Struct(">II")
READY: Final = b"ready"
"""What a worker sends once the engine of a job is there and its time begins."""


class Limits(Struct, frozen=True):
    """How far a script may go: statements, and milliseconds."""

    statements: int = 100_000
    milliseconds: int = 60_000


class End(Struct, frozen=True):
    """How a job ended: ``result`` is JSON, empty for none; ``error`` says what went wrong.

    ``limit`` says that the script went too far, ``line`` is the program's, 0 where none is known.
    """

    result: bytes = b""
    error: str = ""
    limit: bool = False
    line: int = 0


def message(head: bytes, body: bytes = b"") -> bytes:
    """Write a message."""
    return LENGTHS.pack(len(head), len(body)) + head + body


def job_of(program: Program, limits: Limits) -> bytes:
    """Write the head of a job; its body is the context as JSON."""
    return json.dumps(
        {
            "language": program.language,
            "source": program.source,
            "names": asdict(program.names),
            "limits": asdict(limits),
        }
    ).encode()


def read_job(head: bytes) -> tuple[Program, Limits]:
    """Read what :func:`job_of` wrote; the places of a program stay where it was compiled."""
    job = json.loads(head)
    program = Program(job["language"], job["source"], (), Names(**job["names"]))
    return program, Limits(**job["limits"])


def head_of(end: End) -> bytes:
    """Write the head of an end; its body is the result."""
    error = end.error
    if len(error) > MOST_ERROR:
        error = f"{error[:MOST_ERROR]}… ({len(end.error)} characters)"
    return json.dumps({"error": error, "limit": end.limit, "line": end.line}).encode()


def read_end(head: bytes, body: bytes) -> End:
    """Read what :func:`head_of` wrote."""
    said = json.loads(head)
    # Half a surrogate pair is no text that can be sent.
    error = str(said["error"]).encode("utf-8", "replace").decode()
    return End(body, error, bool(said["limit"]), int(said["line"]))
