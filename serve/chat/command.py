"""`chaku chat`: the chat page alone, which `chaku serve` starts too."""

import argparse

from rich_argparse import RawDescriptionRichHelpFormatter


def main(argv: list[str]) -> int:
    """Run `chaku chat ...` until a signal; returns the exit code."""
    args = _parser().parse_args(argv)
    from serve.chat.page import run

    run(base_url=args.base_url, port=args.port, model=args.model, db=None, users=None)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chaku chat",
        description="The chat page alone, in front of any OpenAI-compatible API. A key is read from OPENAI_API_KEY.",
        epilog="example:\n  chaku chat --base-url http://127.0.0.1:8000/v1",
        formatter_class=RawDescriptionRichHelpFormatter,
    )
    parser.add_argument(
        "--base-url", required=True, metavar="URL", help="the API, for instance http://127.0.0.1:8000/v1"
    )
    parser.add_argument("--port", type=int, default=7860, help="port of the page (default: 7860)")
    parser.add_argument("--model", metavar="NAME", help="model to chat with (default: the first that the API lists)")
    return parser
