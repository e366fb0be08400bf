"""`chaku chat`: the chat page alone, which `chaku serve` starts too."""

import argparse
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter


def main(argv: list[str]) -> int:
    """Run `chaku chat ...` until a signal, or `chaku chat users|export|import ...`; returns the exit code."""
    if argv[:1] == ["users"]:
        from serve.chat import users_command

        return users_command.main(argv[1:])
    if argv[:1] in (["export"], ["import"]):
        from serve.chat.data_commands import export_main, import_main

        return export_main(argv[1:]) if argv[0] == "export" else import_main(argv[1:])
    args = _parser().parse_args(argv)
    from serve.chat.page import run

    run(base_urls=args.base_url, host=args.host, port=args.port, model=args.model, db=args.db, users=args.users)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chaku chat",
        description="The chat page alone, in front of any OpenAI-compatible API.\n"
        "OPENAI_API_KEY holds its key; those of several APIs in order, with commas between.",
        epilog="examples:\n  chaku chat --base-url http://127.0.0.1:8000/v1\n"
        "  chaku chat --base-url http://127.0.0.1:8000/v1 --base-url http://127.0.0.1:8001/v1\n"
        "  chaku chat users add alice --users users.json\n"
        "  chaku chat --base-url http://127.0.0.1:8000/v1 --users users.json --host 0.0.0.0\n"
        "other commands:\n  chaku chat users add|list|remove   who may log in\n"
        "  chaku chat export   training data from the chats\n"
        "  chaku chat import   a dump into the chats, to browse and continue it",
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    parser.add_argument(
        "--base-url",
        action="append",
        required=True,
        metavar="URL",
        help="the API, for instance http://127.0.0.1:8000/v1; given again: the models of all are offered",
    )
    parser.add_argument("--port", type=int, default=7860, help="port of the page (default: 7860)")
    parser.add_argument("--model", metavar="NAME", help="model to chat with (default: the first that the API lists)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; others need --users (default: 127.0.0.1)"
    )
    add_keeping(parser)
    return parser


def add_keeping(parser: argparse.ArgumentParser) -> None:
    """The options that `chaku serve` hands on to its page: where conversations are kept, and whose they are."""
    group = parser.add_argument_group("what the chat page keeps, and for whom")
    group.add_argument(
        "--db",
        metavar="URL",
        help="database of conversations, for instance sqlite:///chat.sqlite or postgresql+psycopg://... "
        "(default: chat.sqlite in ~/.local/share/chaku)",
    )
    group.add_argument(
        "--users",
        type=Path,
        metavar="FILE",
        help="who may log in, as `chaku chat users` writes it (default: nobody logs in)",
    )
