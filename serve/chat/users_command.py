"""`chaku chat users add|list|remove`: who may log in to a chat page."""

import argparse
import getpass
import sys
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter

from serve.chat.user_file import add_user, remove_user, user_names
from templates import InputError


def main(argv: list[str]) -> int:
    """Run `chaku chat users ...`; returns the exit code."""
    args = _parser().parse_args(argv)
    if args.action == "list":
        print("\n".join(user_names(args.users)))
    elif args.action == "add":
        add_user(args.users, args.name, _password(args.name))
        print(f"{args.name} may log in; start the page with --users {args.users}")
    else:
        remove_user(args.users, args.name)
        print(f"{args.name} is removed, and logged out of a running page.")
    return 0


def _password(name: str) -> str:
    """Asked for twice on a terminal, else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass(f"Password of {name}: ")
    if getpass.getpass("Once more: ") != password:
        raise InputError("the two passwords differ; run the command again")
    return password


def _parser() -> argparse.ArgumentParser:
    style = RawDescriptionRichHelpFormatter
    parser = argparse.ArgumentParser(
        prog="chaku chat users",
        description="Who may log in to a chat page. The file keeps names and scrypt hashes of passwords.",
        epilog="examples:\n  chaku chat users add alice --users users.json\n"
        "  chaku chat --base-url http://127.0.0.1:8000/v1 --users users.json",
        formatter_class=style,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="add|list|remove")
    add = actions.add_parser("add", help="add a person, or give them a new password", formatter_class=style)
    shown = actions.add_parser("list", help="show the names", formatter_class=style)
    remove = actions.add_parser("remove", help="remove a person, on a running page too", formatter_class=style)
    for action in (add, remove):
        action.add_argument("name", metavar="NAME", help="the person's name")
    for action in (add, shown, remove):
        action.add_argument("--users", type=Path, required=True, metavar="FILE", help="file of users")
    return parser
