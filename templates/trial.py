"""Tries a Jinja text that someone else wrote, in a process of its own, which a limit on time and memory can end.

A thread cannot be stopped and a signal reaches only the main one, so `try_out` runs this module as a program: it reads
the text from standard input, compiles and renders it in transformers' sandbox, and prints what went wrong.
"""

import json
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FrameType

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError

# Compiling and rendering a few short conversations takes milliseconds.
CPU_SECONDS = 3
MEMORY_BYTES = 1 << 30
_WALL_SECONDS = 120
_TOO_LONG = f"it takes longer than {CPU_SECONDS} seconds for a short conversation; a loop in it never ends"
_PAIR = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
_ESSENTIAL = [*_PAIR, *_PAIR]
_FURTHER = (
    [_PAIR[0]],
    [{"role": "system", "content": "s"}, *_PAIR],
    [_PAIR[0], {"role": "tool", "content": "t"}, _PAIR[1]],
    _PAIR * 20,
)


class _TakesTooLong(Exception):
    """The processor time for a template is used up."""


@cache
def try_out(text: str) -> str | None:
    """What is wrong with a template, with its line where that is known, or None.

    >>> try_out("{% for m in messages %}{{ m.content }}")
    "line 1: Unexpected end of template. ..."
    """
    program = subprocess.run(
        [sys.executable, "-P", Path(__file__)],
        input=text.encode(),
        capture_output=True,
        timeout=_WALL_SECONDS,
        check=False,
    )
    if program.returncode < 0:  # it never came back from one expression, so the line is not known
        return _TOO_LONG
    if program.returncode > 0:
        raise RuntimeError(f"the trial of a template failed: {program.stderr.decode(errors='replace')[-500:]}")
    complaint: str | None = json.loads(program.stdout)
    return complaint


def complaint_about(text: str) -> str | None:
    """What `try_out` answers, found in this process, with no limit on it."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    try:
        compiled = _compile_jinja_template(text)
        for node in _hidden_attributes(compiled.environment.parse(text)):
            return f"line {node.lineno}: a template may not reach for hidden attributes"
        _render(compiled, _ESSENTIAL)
        for messages in _FURTHER:
            _render_if_allowed(compiled, messages)
    except jinja2.TemplateSyntaxError as error:
        return f"line {error.lineno}: {error.message}"
    except _TakesTooLong as error:
        return f"{_line_of(error)}{_TOO_LONG}"
    except MemoryError as error:
        return f"{_line_of(error)}it asks for more than {MEMORY_BYTES >> 30} GiB of memory for a short conversation"
    except Exception as error:
        return f"{_line_of(error)}{error or type(error).__name__}"
    return None


def _limit() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seconds = int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS
    signal.signal(signal.SIGXCPU, _stop)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + MEMORY_BYTES,) * 2)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise _TakesTooLong


def _data_bytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmData:")[2].split()[0]) << 10


def _hidden_attributes(tree: nodes.Template) -> Iterator[nodes.Node]:
    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Filter)):
        names = [node.attr] if isinstance(node, nodes.Getattr) else _constants(node)
        if any(isinstance(name, str) and name.startswith("__") for name in names):
            yield node


def _constants(node: nodes.Node) -> list[object]:
    children = node.args if isinstance(node, nodes.Filter) and node.name == "attr" else []
    children = [node.arg] if isinstance(node, nodes.Getitem) else children
    return [child.value for child in children if isinstance(child, nodes.Const)]


def _render(compiled: jinja2.Template, messages: list[dict[str, str]]) -> None:
    for asks in (False, True):
        compiled.render(
            messages=messages,
            add_generation_prompt=asks,
            tools=None,
            documents=None,
            bos_token="<s>",  # noqa: S106 a token of text
            eos_token="</s>",  # noqa: S106
        )


def _render_if_allowed(compiled: jinja2.Template, messages: list[dict[str, str]]) -> None:
    """A template may refuse roles, and fail on those it does not know; it may never leave the sandbox."""
    try:
        _render(compiled, messages)
    except (SecurityError, MemoryError, _TakesTooLong):
        raise
    except Exception:  # noqa: S110 the encoder names such conversations when they come
        pass


def _line_of(error: Exception) -> str:
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in ("<template>", "<unknown>")
    ]
    return f"line {frames[-1].lineno}: " if frames else ""


if __name__ == "__main__":
    complaint_about("")  # imports what it needs, which is not the template's time
    _limit()
    print(json.dumps(complaint_about(sys.stdin.buffer.read().decode())))
