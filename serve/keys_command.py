"""`chaku keys add|list|revoke`: who may use a server."""

import argparse
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter

from serve.key_file import add_key, default_path, read_keys, revoke_key
from serve.middleware.settings import OF_A_KEY, parse_limits
from templates import InputError


def main(argv: list[str]) -> int:
    """Run `chaku keys ...`; returns the exit code."""
    args = _parser().parse_args(argv)
    path = args.keys or default_path()
    if args.action == "list":
        _list(path)
    elif args.action == "add":
        key = add_key(path, _name(args.name), limits=parse_limits(args.limit, OF_A_KEY))
        print(f"{args.name} may use the server with this key, which is shown only now ({path} keeps its hash):\n{key}")
    else:
        revoke_key(path, args.name)
        print(f"{args.name} is revoked; a running server takes this key no more.")
    return 0


def _list(path: Path) -> None:
    keys = read_keys(path)
    for key in keys:
        limits = " ".join(f"{name}={value}" for name, value in key.limits.items())
        print(f"{key.name:<24} {key.created}  {limits}".rstrip())
    if not keys:
        print(f"{path} has no keys; `chaku keys add NAME` makes one")


def _name(name: str) -> str:
    if not name.isprintable() or not 0 < len(name) <= 64:
        raise InputError(f"{name!r}: give a name of 1 to 64 printable characters")
    return name


def _parser() -> argparse.ArgumentParser:
    style = RawDescriptionRichHelpFormatter
    parser = argparse.ArgumentParser(
        prog="chaku keys",
        description="Keys for `chaku serve`. Each has a name, which logs and counters show; only its hash is kept.",
        epilog="examples:\n  chaku keys add alice\n  chaku keys add batch --limit requests_per_minute=60\n"
        "  chaku keys list\n  chaku keys revoke alice",
        formatter_class=style,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="add|list|revoke")
    add = actions.add_parser("add", help="make a key, and show it once", formatter_class=style)
    add.add_argument("name", metavar="NAME", help="whose key it is; logs and counters show it")
    add.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help=f"a limit of this key alone, instead of the server's: {', '.join(OF_A_KEY)} (may be repeated)",
    )
    shown = actions.add_parser("list", help="show the names and limits of all keys", formatter_class=style)
    revoke = actions.add_parser("revoke", help="end a key, on a running server too", formatter_class=style)
    revoke.add_argument("name", metavar="NAME", help="the key's name")
    for action in (add, shown, revoke):
        action.add_argument(
            "--keys", type=Path, metavar="FILE", help="file of keys (default: keys.json in ~/.config/chaku)"
        )
    return parser
