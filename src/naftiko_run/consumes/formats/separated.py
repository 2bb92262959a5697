"""CSV, TSV and PSV (RFC 4180 with a comma, a tab or a bar): a list of objects, all values texts.

The first row is the header; spaces around its names do not count. A row may be shorter: its last
names are absent then. A longer one is an error, but for an empty cell that a separator at its end
makes. Empty lines are no rows.
"""

import csv
import io
from typing import Final

from naftiko_run.consumes.formats.charset import text_of
from naftiko_run.consumes.formats.limits import too_many, unreadable
from naftiko_run.consumes.formats.rows import column_names
from naftiko_run.types import Json, Reply

MOST_CELLS: Final = 5_000_000
"""More than in other formats: cells take a fifth of the time, and tables are what is large."""

SEPARATORS: Final = {"csv": ",", "tsv": "\t", "psv": "|"}

# The size of a reply is bounded where it is read; the module's own 128 KiB would refuse good cells.
csv.field_size_limit(2**31 - 1)


def read(reply: Reply, raw_format: str) -> Json:
    """Decode a reply."""
    name = raw_format.upper()
    lines = io.StringIO(text_of(reply, name), newline="")
    reader = csv.reader(lines, delimiter=SEPARATORS[raw_format], strict=True)
    rows: list[Json] = []
    columns: list[str] = []
    count = 0
    try:
        for cells in reader:
            if not cells:
                continue
            count += len(cells) + 1
            if count > MOST_CELLS:
                raise too_many(name, MOST_CELLS)
            if not columns:
                columns = column_names([cell.strip() for cell in cells])
                continue
            if len(cells) > len(columns) and (len(cells) > len(columns) + 1 or cells[-1]):
                raise unreadable(
                    name,
                    f"the row that ends in line {reader.line_num} has {len(cells)} cells,"
                    f" the header {len(columns)}",
                )
            rows.append(dict(zip(columns, cells, strict=False)))
    except csv.Error as error:
        raise unreadable(name, f"line {reader.line_num}: {error}") from None
    return rows
