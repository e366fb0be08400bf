"""Files that hold secrets: replaced as a whole, and readable by their owner alone."""

import json
import os
from pathlib import Path


def write_private(path: Path, content: object) -> None:
    """Write a value as JSON. Raises OSError where that cannot be done; the old file is then untouched."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial.touch(mode=0o600, exist_ok=False)
    partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
    partial.replace(path)
