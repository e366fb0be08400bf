"""The one command. It finds a command's room and hands over; it holds no logic of its own."""

import importlib
import os
import sys
from typing import NamedTuple


class Command(NamedTuple):
    """Where a command lives: `function(argv) -> exit code` in `module`, imported only when it is called."""

    module: str
    function: str
    summary: str


COMMANDS = {
    "data": Command("data_tools.cli", "main", "prepare chat dumps: clean, split, tokenise, pack into windows"),
    "templates": Command("templates.cli", "main", "list, show and preview prompt templates"),
    "train": Command("train.cli", "main", "fine-tune a model on prepared windows"),
    "serve": Command("serve.cli", "serve", "serve a model: OpenAI-compatible API and chat page"),
    "keys": Command("serve.keys_command", "main", "keys for a served model: add, list, revoke"),
    "chat": Command("serve.chat.command", "main", "the chat page alone, in front of any OpenAI-compatible API"),
    "parity": Command("serve.cli", "parity", "hold a running server's prompts against the trainer's, token by token"),
    "evaluate": Command("evaluate.cli", "main", "grade a model's answers, compare checkpoints, count replies that end"),
}


def usage() -> str:
    """The text of ``chaku --help``."""
    width = max(map(len, COMMANDS)) + 2
    commands = "\n".join(f"  {name:<{width}}{command.summary}" for name, command in COMMANDS.items())
    return f"""usage: chaku COMMAND ...

Chaku turns chat dumps into a chat model and serves it.

commands:
{commands}

options:
  -h, --help   this text; `chaku COMMAND --help` explains a command
  --version    print the version

the whole way, from a dump to a chat:
  chaku data prepare dump.json --model MODEL_DIR --template vicuna_v1.1 --out data/
  chaku train --config examples/recipes/smollm2-135m-cpu.yaml --model.path MODEL_DIR --data.path data/ --out model/
  chaku serve model/"""


def main() -> int:
    """Run one command: bad input ends with one line on stderr and exit code 2, Ctrl-C with 130."""
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


def run(argv: list[str]) -> int:
    """Find the command that the arguments name, and hand over to it; returns its exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        print(usage())
        return 0 if argv else 2
    if argv[0] == "--version":
        from importlib.metadata import version

        print(f"chaku {version('chaku')}")
        return 0
    if argv[0] not in COMMANDS:
        import difflib

        near = difflib.get_close_matches(argv[0], COMMANDS, n=1)
        hint = f"did you mean `chaku {near[0]}`?" if near else "run `chaku --help` for the list."
        return _fail(f"there is no command {argv[0]!r}; {hint}")
    return _hand_over(COMMANDS[argv[0]], argv[1:])


def _hand_over(command: Command, argv: list[str]) -> int:
    from templates.errors import InputError

    try:
        code: int = getattr(importlib.import_module(command.module), command.function)(argv)
    except InputError as error:
        return _fail(str(error))
    return code


def _fail(message: str) -> int:
    print(f"chaku: error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
