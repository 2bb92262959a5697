"""How replies of a called operation become outcomes: raw format, media type and largest size."""

from collections.abc import Callable, Sequence

from naftiko_run.consumes.formats import DEFAULT_BINARY_SIZE, FormatError, decoder
from naftiko_run.findings import Finding
from naftiko_run.flows.flow import Results
from naftiko_run.mapping.jsonpath import JsonPathError
from naftiko_run.mapping.shape import paths
from naftiko_run.spec.document import ConsumedOperation, Output, Unit
from naftiko_run.types import Json

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
    return Results(
        shape,
        decode,
        opaque,
        media_type=spec.media_type,
        unnamed=_UNNAMED.get(spec.raw_format, ""),
        limit=next(s for s in sizes if s is not None) if spec.raw_format == "binary" else None,
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
