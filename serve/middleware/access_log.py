"""The access log: one JSON object a line for each request, with neither what was said nor any key."""

import contextlib
import datetime
import json
import os
import sys
from pathlib import Path


class AccessLog:
    """Appends lines to a file, which may be rotated meanwhile. No request fails because the log cannot be written.

    The file is opened for each line (some microseconds), so that a full disk or a moved file leaves nothing to mend.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._is_failing = False
        self._is_torn = False  # the last line was cut off by a full disk: the next begins on a line of its own
        Path(path).parent.mkdir(parents=True, exist_ok=True)

    def write(self, **record: str | float | None) -> None:
        """Write one line, with the time in UTC first. That the log cannot be written is said once, until it can be."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, **record})
        try:
            self._append(f"\n{line}\n" if self._is_torn else f"{line}\n")
        except OSError as error:
            if not self._is_failing:
                self._say(f"the access log cannot be written ({error.strerror})")
            self._is_failing = True
        else:
            self._is_failing = False

    def _say(self, what: str) -> None:
        with contextlib.suppress(OSError):  # the log that standard error goes to may lie on the same full disk
            print(f"chaku: {self._path}: {what}", file=sys.stderr, flush=True)

    def _append(self, text: str) -> None:
        whole = text.encode()
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            written = os.write(file, whole)
            self._is_torn = 0 < written < len(whole)
        finally:
            os.close(file)
