"""`chaku data inspect`: its options, and what it prints."""

import argparse
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter

from templates import InputError

_EXAMPLE = """\
example:
  chaku data inspect data/ --out data.html --open

The page needs no network and runs nothing of the data. It holds people's words: share it as you would the dump.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `chaku data`."""
    inspect = commands.add_parser(
        "inspect",
        help="a prepared directory as one page: plots, tokens, texts before and after",
        description="Write one HTML file that shows a prepared directory: its numbers, its conversations token by "
        "token, their texts before and after cleaning, and the rejected turns.",
        epilog=_EXAMPLE,
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    add = inspect.add_argument
    model_help = "where the model lies now whose tokenizer made the windows (default: as the manifest says)"
    add("folder", type=Path, metavar="DIR", help="a directory that `chaku data prepare` wrote")
    add("--out", required=True, type=Path, metavar="FILE.html", help="the page to write")
    add("--conversations", type=int, default=500, metavar="N", help="at most so many are shown (default: %(default)s)")
    add("--model", metavar="DIR", help=model_help)
    add("--open", action="store_true", help="open the page in the browser")
    inspect.set_defaults(run=_inspect)


def _inspect(arguments: argparse.Namespace) -> int:
    if arguments.conversations < 1:
        raise InputError(f"--conversations {arguments.conversations}: give how many to show, 1 or more")
    from data_tools.inspect.collect import collect
    from data_tools.inspect.page import write_page
    from data_tools.prepared import open_prepared

    prepared = open_prepared(arguments.folder)
    content = collect(prepared, model=arguments.model, most=arguments.conversations)
    write_page(content, arguments.out)
    for note in content.overview["notes"]:
        print(f"note: {note}")
    shown, size = len(content.conversations), arguments.out.stat().st_size / 1e6
    print(f"wrote {arguments.out}: {shown:,} of {content.overview['total']:,} conversations, {size:.1f} MB")
    if arguments.open:
        import webbrowser

        webbrowser.open(arguments.out.resolve().as_uri())
    return 0
