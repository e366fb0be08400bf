"""`chaku templates`: list the formats, show one, and look at a conversation as a model reads it."""

import argparse
from collections.abc import Callable
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter

from templates.loading import load_encoder

_EXAMPLES = """\
examples:
  chaku templates list
  chaku templates show vicuna_v1.1 --model SmolLM2-135M/
  chaku templates preview --template vicuna_v1.1 --model SmolLM2-135M/ --html look.html"""
_LIST_EXAMPLE = """\
example:
  chaku templates list"""
_SHOW_EXAMPLES = """\
examples:
  chaku templates show vicuna_v1.1
  chaku templates show tokenizer --model SmolLM2-135M/
  chaku templates show mine.jinja --model SmolLM2-135M/"""
_PREVIEW_EXAMPLES = """\
examples:
  chaku templates preview --template vicuna_v1.1 --model SmolLM2-135M/
  chaku templates preview --template tokenizer --model SmolLM2-135M/ conversations.jsonl --record 3 --html look.html

A conversation is {"id": "...", "messages": [{"role": "user", "content": "..."}, ...]}, as `chaku data prepare` and
`chaku data convert` write them, or a raw record of ShareGPT."""
_NAME_HELP = "a format of `chaku templates list`, fastchat:NAME, tokenizer, or a .jinja file"
_MODEL_HELP = "the model whose tokenizer is used: a directory, or a hub name that was downloaded before"


def main(argv: list[str]) -> int:
    """Run one of the templates commands; returns the exit code. Raises InputError for bad input."""
    arguments = build_parser().parse_args(argv)
    run: Callable[[argparse.Namespace], None] = arguments.run
    run(arguments)
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of `chaku templates`."""
    parser = argparse.ArgumentParser(
        prog="chaku templates",
        description="Prompt templates: how a conversation becomes what a model reads.",
        epilog=_EXAMPLES,
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add(commands, "list", help_="the formats that Chaku ships", examples=_LIST_EXAMPLE, run=_list)
    show = _add(commands, "show", help_="a template's text, and what it makes", examples=_SHOW_EXAMPLES, run=_show)
    show.add_argument("name", metavar="NAME", help=_NAME_HELP)
    show.add_argument("--model", metavar="DIR", help=f"{_MODEL_HELP}; shows stop ids, BOS and fingerprint with it")
    _add_preview(commands)
    return parser


def _add_preview(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summary = "a conversation's tokens: control, context and supervised"
    add = _add(commands, "preview", help_=summary, examples=_PREVIEW_EXAMPLES, run=_preview).add_argument
    add("file", nargs="?", type=Path, metavar="FILE", help="JSON Lines of conversations (default: a small example)")
    add("--template", required=True, metavar="NAME", help=_NAME_HELP)
    add("--model", required=True, metavar="DIR", help=_MODEL_HELP)
    add("--record", type=int, default=0, metavar="N", help="which conversation of FILE, from 0 (default: %(default)s)")
    add("--html", type=Path, metavar="OUT.html", help="write a page instead of printing; it needs no network")


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    *,
    help_: str,
    examples: str,
    run: Callable[[argparse.Namespace], None],
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=help_,
        description=f"Show {help_}.",
        epilog=examples,
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _list(_: argparse.Namespace) -> None:
    from rich.console import Console

    from templates.show import print_list

    print_list(Console())


def _show(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from templates.show import print_template
    from templates.template import load

    encoder = load_encoder(arguments.name, arguments.model) if arguments.model else None
    print_template(Console(), encoder.template if encoder else load(arguments.name), encoder)


def _preview(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from templates.one_record import read_record
    from templates.preview import example, preview, to_terminal
    from templates.preview_html import write_html

    conversation = read_record(arguments.file, arguments.record) if arguments.file else example()
    shown = preview(load_encoder(arguments.template, arguments.model), conversation)
    if arguments.html is None:
        Console().print(to_terminal(shown))
        return
    write_html(shown, arguments.html)
    print(f"wrote {arguments.html}")
