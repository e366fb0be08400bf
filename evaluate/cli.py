"""`chaku evaluate`: is a model better, by how much, and can the number be trusted."""

import argparse
import asyncio
import json
import os
from pathlib import Path

_STOP_RATE = """\
example:
  chaku evaluate stop-rate --base-url http://127.0.0.1:8000/v1 \\
      --conversations data/conversations/held_out.jsonl --n 20"""


def main(argv: list[str]) -> int:
    """Run `chaku evaluate ...`; returns the exit code."""
    if argv[:1] == ["stop-rate"]:
        return _stop_rate(argv[1:])
    from evaluate.arguments import compare_parser, evaluate_parser, options

    if argv[:1] == ["compare"]:
        args = compare_parser().parse_args(argv[1:])
        given = options(args, model=args.after, against=args.before)
    else:
        args = evaluate_parser().parse_args(argv)
        given = options(args, model=args.model, against=args.against)
    from evaluate.compare import compare
    from evaluate.terminal import show

    results = compare(given, replies=getattr(args, "replies", None))
    show(results, given.out)
    return 0


def _stop_rate(argv: list[str]) -> int:
    from evaluate.arguments import parser

    command = parser(
        "chaku evaluate stop-rate",
        "Ask a served model the prompts of held-out conversations, greedily, and count the replies that\n"
        "end with its stop token rather than at the limit.",
        _STOP_RATE,
    )
    add = command.add_argument
    add("--base-url", required=True, metavar="URL", help="the API, for instance http://127.0.0.1:8000/v1")
    add("--conversations", required=True, type=Path, metavar="FILE", help="JSON Lines of conversations")
    add("--n", type=int, default=20, metavar="N", help="how many prompts to ask (default: 20)")
    add("--max-tokens", type=int, default=400, metavar="N", help="the limit a reply (default: 400)")
    add("--out", type=Path, metavar="FILE", help="write the counts and every reply here, as JSON")
    return stop_rate(command.parse_args(argv))


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
