"""The access log: one JSON object a line for each request, with neither what was said nor any key."""

import datetime
import json
import logging
import sys
from logging.handlers import WatchedFileHandler
from pathlib import Path


class AccessLog:
    """Appends lines to a file, which may be rotated meanwhile. No request fails because the log cannot be written."""

    def __init__(self, path: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._handler = _File(path, delay=True, encoding="utf-8")

    def write(self, **record: str | float | None) -> None:
        """Write one line, with the time in UTC first."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, **record})
        self._handler.handle(logging.makeLogRecord({"msg": line}))


class _File(WatchedFileHandler):
    """Says once that the log cannot be written, and once more after it could be."""

    _is_failing = False

    def emit(self, record: logging.LogRecord) -> None:
        was_failing, self._is_failing = self._is_failing, False
        try:
            super().emit(record)
        except OSError as error:  # opening or rotating the file; what fails in writing comes by handleError
            self._fail(error)
        if self._is_failing and not was_failing:
            print(f"chaku: {self.baseFilename}: the access log cannot be written", file=sys.stderr)

    def handleError(self, record: logging.LogRecord) -> None:
        self._fail(None)

    def _fail(self, _: OSError | None) -> None:
        self._is_failing = True
