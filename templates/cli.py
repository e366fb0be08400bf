"""`chaku templates`: list the formats, show one, and look at a conversation as a model reads it."""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich_argparse import RawDescriptionRichHelpFormatter

from templates.conversation import Message, as_messages
from templates.errors import InputError

if TYPE_CHECKING:
    from templates.encoder import Encoder
    from templates.template import Template

_EXAMPLES = """\
examples:
  chaku templates list
  chaku templates show vicuna_v1.1 --model BASE
  chaku templates preview --template vicuna_v1.1 --model BASE data/conversations/held_out.jsonl --html look.html"""
# Stand-ins: what a format writes around these is what it is.
_SPECIAL = {"bos_token": "BOS", "eos_token": "EOS"}
_HEADER = re.compile(r"\{#-?\s*(.*?)\s*-?#\}", re.DOTALL)


def main(argv: list[str]) -> int:
    """Run `chaku templates ...`; returns the exit code."""
    args = _parser().parse_args(argv)
    code: int = args.run(args)
    return code


def _parser() -> argparse.ArgumentParser:
    formatter = RawDescriptionRichHelpFormatter
    parser = argparse.ArgumentParser(
        prog="chaku templates",
        description="Prompt templates: what a model reads.",
        epilog=_EXAMPLES,
        formatter_class=formatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    listing = commands.add_parser("list", help="the formats that Chaku ships", formatter_class=formatter)
    listing.set_defaults(run=lambda _: show_list())
    show = commands.add_parser("show", help="a template's text, and what it makes", formatter_class=formatter)
    show.add_argument("name", metavar="NAME", help="a format, fastchat:NAME, tokenizer, or a .jinja file")
    show.add_argument("--model", metavar="DIR", help="also show the stop ids and the fingerprint with this model")
    show.set_defaults(run=lambda args: show_template(args.name, args.model))
    preview = commands.add_parser("preview", help="a conversation's tokens, in colour", formatter_class=formatter)
    preview.add_argument("--template", required=True, metavar="NAME", help="as for `show`")
    preview.add_argument("--model", required=True, metavar="DIR", help="the model whose tokenizer is used")
    preview.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="JSON Lines of conversations (default: an example)"
    )
    preview.add_argument(
        "--record", type=int, default=0, metavar="N", help="which conversation of it (default: 0, the first)"
    )
    preview.add_argument("--html", type=Path, metavar="OUT", help="write a page instead")
    preview.set_defaults(run=show_preview)
    return parser


def show_list() -> int:
    """`chaku templates list`."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from templates.template import load, names

    table = Table(header_style="bold")
    for heading in ("format", "ends a reply", "a question and its reply", "what it is"):
        table.add_column(heading, overflow="fold")
    for name in names():
        template = load(name)
        cells = (name, *map(repr, _stop_and_pair(template)), _about(template.text))
        table.add_row(*(Text(cell, "bold" if cell == name else "") for cell in cells))
    console = Console()
    console.print(table)
    console.print("Further names: fastchat:NAME (FastChat's registry), tokenizer (the model's own), a .jinja file.")
    return 0


def show_template(name: str, model: str | None) -> int:
    """`chaku templates show`."""
    from rich.console import Console
    from rich.syntax import Syntax

    from templates.template import load

    console = Console()
    encoder = _encoder(name, model) if model else None
    template = encoder.template if encoder else load(name)
    console.print(Syntax(template.text, "jinja", line_numbers=True, word_wrap=True, background_color="default"))
    messages = [Message(role="user", content="Hi"), Message(role="assistant", content="Hello!")] * 2
    special = encoder.special_tokens if encoder else _SPECIAL
    console.print("two pairs", style="bold")
    console.print(repr(template.render(messages, special_tokens=special)), markup=False)
    if encoder:
        stop = ", ".join(map(str, encoder.stop_ids)) or "none"
        console.print(f"a reply ends with {encoder.stop!r} (ids: {stop})", markup=False)
        console.print(f"fingerprint {encoder.fingerprint.digest}", markup=False, soft_wrap=True)
    return 0


def show_preview(args: argparse.Namespace) -> int:
    """`chaku templates preview`."""
    from rich.console import Console

    from templates.preview import example, preview, to_terminal
    from templates.preview_html import write_html

    messages = read_record(args.file, args.record) if args.file else example()
    shown = preview(_encoder(args.template, args.model), messages)
    if args.html:
        write_html(shown, args.html, title=f"{args.template}: {args.file or 'an example'}, record {args.record}")
        print(f"wrote {args.html}")
    else:
        Console().print(to_terminal(shown))
    return 0


def read_record(path: Path, number: int) -> Sequence[Message]:
    """A conversation of a JSON Lines file (or a JSON list), counted from 0. Raises InputError for anything else."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a JSON Lines file of conversations") from error
    try:
        whole = text.lstrip().startswith("[")
        records = json.loads(text) if whole else [json.loads(line) for line in text.splitlines() if line.strip()]
        if not 0 <= number < len(records):
            raise InputError(f"--record {number}: {path} has the records 0 to {len(records) - 1}")
        return as_messages(records[number]["messages"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}, record {number}: not a conversation ({error}); "
            "`chaku data convert FILE --to messages --out conversations.jsonl` makes them of a dump"
        ) from error


def _encoder(name: str, model: str) -> "Encoder":
    from transformers import AutoTokenizer

    from templates.encoder import Encoder
    from templates.template import load

    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise InputError(f"--model {model}: no tokenizer can be loaded from it; give a model directory") from error
    return Encoder(load(name, tokenizer), tokenizer)


def _stop_and_pair(template: "Template") -> tuple[str, str]:
    """What ends a reply, and what a format writes around a question and its reply after the first."""
    from templates.layout import literals_of
    from templates.stop import CONTROL_LIKE, stop_after

    stop = stop_after(template, _SPECIAL, re.compile(f"EOS|{CONTROL_LIKE.pattern}").search)
    literals = literals_of(template, ("user", "assistant") * 2, _SPECIAL)
    return stop, f"{literals[2].removeprefix(stop)}...{literals[3]}...{stop}"


def _about(text: str) -> str:
    """The comment at a template's head, in one line."""
    found = _HEADER.match(text)
    return " ".join(found[1].split()) if found else ""
