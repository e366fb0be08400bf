"""`chaku evaluate`: what a served model does on conversations that it was not trained on."""

import argparse
import asyncio
import json
import os
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter

_EXAMPLE = """\
example:
  chaku evaluate stop-rate --base-url http://127.0.0.1:8000/v1 \\
      --conversations data/conversations/held_out.jsonl --n 20"""


def main(argv: list[str]) -> int:
    """Run `chaku evaluate ...`; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="chaku evaluate",
        description="Measure a served model on held-out conversations.",
        epilog=_EXAMPLE,
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_stop_rate(commands)
    args = parser.parse_args(argv)
    return stop_rate(args)


def _add_stop_rate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "stop-rate",
        help="how many replies the model ends by itself",
        description="Ask a served model the prompts of held-out conversations, greedily, and count the replies that\n"
        "end with its stop token rather than at the limit.",
        epilog=_EXAMPLE,
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    command.add_argument(
        "--base-url", required=True, metavar="URL", help="the API, for instance http://127.0.0.1:8000/v1"
    )
    command.add_argument(
        "--conversations", required=True, type=Path, metavar="FILE", help="JSON Lines of conversations"
    )
    command.add_argument("--n", type=int, default=20, metavar="N", help="how many prompts to ask (default: 20)")
    command.add_argument("--max-tokens", type=int, default=400, metavar="N", help="the limit a reply (default: 400)")
    command.add_argument("--out", type=Path, metavar="FILE", help="write the counts and every reply here, as JSON")


def stop_rate(args: argparse.Namespace) -> int:
    """`chaku evaluate stop-rate`: prints one line, and writes every reply where asked."""
    from openai import AsyncOpenAI
    from rich.console import Console
    from rich.progress import Progress

    from evaluate.held_out import read_prompts
    from evaluate.stop_rate import measure_stop_rate

    prompts = read_prompts(args.conversations, limit=args.n)
    client = AsyncOpenAI(base_url=args.base_url, api_key=os.environ.get("OPENAI_API_KEY", "none"))
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("replies", total=len(prompts))
        measured = asyncio.run(
            measure_stop_rate(client, prompts, max_tokens=args.max_tokens, on_reply=lambda: progress.advance(bar))
        )
    if args.out:
        args.out.write_text(json.dumps(measured.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{measured.model}: {measured.stopped} of {len(prompts)} replies ended by themselves")
    return 0
