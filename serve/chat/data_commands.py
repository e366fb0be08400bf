"""`chaku chat export` and `chaku chat import`: training data out of the chat database, and dumps into it."""

import argparse
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter

from data_tools.wording import in_words
from templates import InputError

_DEFAULT_DB = "default: the page's, chat.sqlite in ~/.local/share/chaku"


def export_main(argv: list[str]) -> int:
    """Run `chaku chat export ...`; returns the exit code."""
    args = _export_parser().parse_args(argv)
    from data_tools.atomic import whole_file
    from data_tools.plain import json_line
    from serve.chat.store.database import default_url, open_database
    from serve.chat.training_data import export

    engine = open_database(args.db or default_url())
    made = export(engine, to=args.to, owner=args.owner, only_marked=args.marked, branches=args.branches)
    if not made.rows:
        raise InputError(f"nothing to export ({in_words(made.left_out)}); chat first, or look at --marked and --owner")
    with whole_file(args.out) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(json_line(row) for row in made.rows)
    print(f"{len(made.rows)} {'pairs' if args.to == 'preferences' else 'conversations'} written to {args.out}")
    print(f"left out, by reason: {in_words(made.left_out)}")
    return 0


def import_main(argv: list[str]) -> int:
    """Run `chaku chat import ...`; returns the exit code."""
    args = _import_parser().parse_args(argv)
    from serve.chat.imports import import_dumps
    from serve.chat.store.database import default_url, open_database

    done = import_dumps(open_database(args.db or default_url()), args.input, owner=args.owner)
    print(f"{done.conversations:,} conversations with {done.branches:,} branches imported, to be read on the chat page")
    left_out = f"{done.left_out.total():,} left out ({in_words(done.left_out)})"
    print(f"{done.turns:,} turns: {done.kept:,} kept, {left_out}")
    return 0


def _export_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chaku chat export",
        description="Training data from the chats of a page: the branches that are shown, or all, or pairs of a\n"
        "better and a worse reply from corrections, thumbs and votes. Replies that were found bad or broke off are\n"
        "kept as context and not taught; what is left out is counted by reason.",
        epilog="examples:\n  chaku chat export --to sharegpt --out chats.jsonl\n"
        "  chaku data prepare chats.jsonl --model model/ --template vicuna_v1.1 --out data/\n"
        "  chaku chat export --db sqlite:///chat.sqlite --to preferences --out pairs.jsonl",
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    parser.add_argument(
        "--to", required=True, choices=("sharegpt", "messages", "preferences"), help="the form of a row"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON Lines that are written")
    parser.add_argument("--db", metavar="URL", help=f"the chat database ({_DEFAULT_DB})")
    parser.add_argument("--owner", metavar="NAME", help="one person's chats alone (default: everybody's)")
    parser.add_argument(
        "--branches",
        choices=("main", "all"),
        default="main",
        help="of a conversation that branches, the branch that is shown, or all, a row each (default: %(default)s)",
    )
    parser.add_argument("--marked", action="store_true", help="only conversations that were marked for training")
    return parser


def _import_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chaku chat import",
        description="Read dumps of any format that `chaku data prepare` knows into the chat database, cleaned as for\n"
        "training, to browse and to continue them. Trees (OpenAssistant, ChatGPT exports) keep all their branches.",
        epilog="example:\n  chaku chat import dump.json --db sqlite:///chat.sqlite",
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    parser.add_argument("input", nargs="+", type=Path, metavar="INPUT", help="dumps: files or folders")
    parser.add_argument("--db", metavar="URL", help=f"the chat database ({_DEFAULT_DB})")
    parser.add_argument("--owner", default="", metavar="NAME", help="whose they are, where people log in")
    return parser
