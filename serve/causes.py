"""Why a process died: one readable line from its log."""

import re
import signal
from pathlib import Path

_TAIL_BYTES = 200_000
_LESS_MEMORY = "stop other programs, or ask for less: VLLM_CPU_KVCACHE_SPACE=1, or `-- --max-model-len 2048`"
_KILLED = f"as the system does when memory runs out ({_LESS_MEMORY})"
# The first that matches, searched from the end of the log, is the cause.
_CAUSES = (
    (
        r"OutOfMemoryError|out of memory|[Cc]an(no|')t allocate memory|MemoryError|^ValueError: .*memory",
        f"out of memory ({_LESS_MEMORY}): {{line}}",
    ),
    (r"[Aa]ddress already in use", "its port is in use by another program; stop that, or give another: {line}"),
    (r"No space left on device", "the disk is full: {line}"),
    (r"FileNotFoundError|No such file or directory", "a file is missing: {line}"),
    (r"Model architectures? .* (is|are) not supported", "vLLM does not know this kind of model: {line}"),
    (r"max_model_len|max seq len .* KV cache", "its context does not fit: {line}"),
    (r"^(Value|Assertion) error, ", "vLLM refuses its arguments: {line}"),  # pydantic's, below a line that says nothing
    (r"ModuleNotFoundError|ImportError", "a package is missing or broken: {line}"),
    (
        r"EngineDeadError|died unexpectedly",
        f"its engine crashed, or was killed, {_KILLED}",
    ),
)
_LAST_ERROR = re.compile(r"^(?:.*\s)?((?:[\w.]+)?(?:Error|Exception|Exit)\b:? .*|error: .*)$")
_INFO = re.compile(r"^(\(\w+ pid=\d+\)\s*)?INFO\b")
_PREFIX = re.compile(r"^(\(\w+ pid=\d+\)\s*)?((ERROR|WARNING|INFO)\s+\d\d-\d\d \d\d:\d\d:\d\d\s+)?(\[[^\]]*\]\s*)?")


def cause_of_death(log: Path, exit_code: int) -> str:
    """What the log of a dead process says, in one line; by which signal or exit code it ended, where it says nothing.

    >>> cause_of_death(Path("engine.log"), 1)
    'its port is in use by another program: OSError: [Errno 98] Address already in use'
    """
    # What vLLM says at the level INFO holds its arguments, among them words that look like causes.
    told = [line for line in _tail(log).splitlines() if not _INFO.match(line)]
    lines = [_PREFIX.sub("", line).strip() for line in told]
    for pattern, text in _CAUSES:
        found = next((line for line in reversed(lines) if re.search(pattern, line)), None)
        if found:
            return text.format(line=_short(found))
    found = next((line for line in reversed(lines) if _LAST_ERROR.match(line)), None)
    if found:
        return _short(found)
    if exit_code == -signal.SIGKILL:
        return f"killed by signal 9, {_KILLED}"
    return f"killed by signal {-exit_code}" if exit_code < 0 else f"it ended with exit code {exit_code}"


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        return file.read().decode("utf-8", "replace")


def _short(line: str) -> str:
    return line if len(line) <= 300 else line[:297] + "..."
