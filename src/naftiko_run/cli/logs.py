"""Logs on stderr, as lines for people or as JSON; control characters cannot break a line."""

import json
import logging
import sys
import time


class TextLines(logging.Formatter):
    """One line per record, its stack trace below."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        text = record.getMessage().rstrip().encode("unicode_escape").decode()
        line = f"{record.levelname.lower()} {record.name}: {text}"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line


class JsonLines(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        members = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().rstrip(),
        }
        if record.exc_info:
            members["exception"] = self.formatException(record.exc_info)
        return json.dumps(members, ensure_ascii=True)


def configure(level: str, form: str) -> None:
    """Send all logs of a level and above to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("naftiko_run").setLevel(level.upper())
