"""How replies of a called operation become outcomes: raw format, media type and largest size."""

from collections.abc import Callable, Sequence

from naftiko_run.consumes.formats import DEFAULT_BINARY_SIZE, FormatError, decoder
from naftiko_run.findings import Finding
from naftiko_run.flows.flow import Results
from naftiko_run.mapping.jsonpath import JsonPathError
from naftiko_run.mapping.shape import paths
from naftiko_run.spec.document import ConsumedOperation, Output, Response, ResponseContent, Unit
from naftiko_run.types import Json, Outcome, Reply

_CODES = {"outputRawFormat": "E-FORMAT", "outputSchema": "E-FORMAT-SCHEMA"}
_UNNAMED = {"binary": "application/octet-stream", "text": "text/plain"}


def results_of(
    spec: ConsumedOperation, unit: Unit, shape: Callable[[Json], Json] | None = None
) -> Results | Finding:
    """Compile how replies are read; the finding says why they cannot be."""
    if spec.problem is not None:
        return spec.problem
    try:
        decode, opaque = decoder(spec.raw_format, spec.schema, spec.schema_text)
    except FormatError as error:
        return spec.where.at(error.key).error(_CODES[error.key], str(error), error.fix)
    sizes = (spec.max_binary_size, unit.max_binary_size, DEFAULT_BINARY_SIZE)
    promised = promised_of(unit.responses)
    return Results(
        shape,
        decode,
        opaque,
        media_type=spec.media_type or (promised.media_type if promised else ""),
        status=fixed_status(unit.responses),
        unnamed=_UNNAMED.get(spec.raw_format, ""),
        limit=next(s for s in sizes if s is not None) if spec.raw_format == "binary" else None,
    )


def promised_of(responses: Sequence[Response]) -> ResponseContent | None:
    """Return what a unit promises to answer when all goes well: something binary, if there is."""
    contents = [c for r in responses if r.status.startswith("2") for c in r.contents]
    binary = (content for content in contents if content.binary)
    return next(binary, None) or next(iter(contents), None)


def fixed_status(responses: Sequence[Response]) -> int | None:
    """Return the status of every answer that succeeds, None where it is the upstream's."""
    return next((int(response.status) for response in responses if response.fixed), None)


def as_reply(outcome: Outcome) -> Reply:
    """Turn an outcome into a reply: what runs one flow inside another reads it as an upstream's."""
    content = (("content-type", outcome.media_type),) if outcome.media_type else ()
    return Reply(outcome.status, (*content, *outcome.headers), outcome.body)


def check_promises(spec: ConsumedOperation, unit: Unit, report: Callable[[Finding], None]) -> None:
    """Report a binary response that an operation does not give."""
    promised = promised_of(unit.responses)
    if promised is None or not promised.binary or spec.raw_format == "binary":
        return
    report(
        unit.responses[0].where.warning(
            "W-RESPONSE",
            f"a binary response is promised, but {unit.call!r} answers {spec.raw_format}",
            "write 'outputRawFormat: binary' in that operation",
            key=True,
        )
    )


def check_mappings(outputs: Sequence[Output], report: Callable[[Finding], None]) -> Finding | None:
    """Report what is wrong with mappings, each in its place; the last error is given back."""
    wrong: list[Finding] = []
    for output, path in paths(outputs):
        if isinstance(path, JsonPathError):
            wrong.append(
                output.where.error(
                    "E-MAPPING",
                    f"a mapping is no JSONPath: {path}",
                    "write a path such as $.data.items",
                )
            )
        elif path.array_length:
            report(
                output.where.warning(
                    "W-LENGTH",
                    f"'{path.expression}' is read as the length of the array",
                    f"write '{path.expression}()'",
                )
            )
    for finding in wrong[:-1]:
        report(finding)
    return wrong[-1] if wrong else None
