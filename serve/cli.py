"""`chaku serve` and `chaku parity`."""

import argparse
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter

from serve.chat.command import add_keeping


def serve(argv: list[str]) -> int:
    """Run `chaku serve ...`; returns the exit code."""
    ours, extra = split(argv)
    parser = serve_parser()
    args = parser.parse_args(ours)
    if args.status:
        from serve.run_state import show_status

        return show_status()
    if not args.model:
        parser.error("give a MODEL to serve, or --status")
    from serve.launch import launch

    return launch(args, extra)


def parity(argv: list[str]) -> int:
    """Run `chaku parity ...`; returns 0 only if all conversations agree."""
    args = _parity_parser().parse_args(argv)
    from serve.parity_command import run

    return run(args.model, base_url=args.base_url, conversations=args.conversations, limit=args.n, api_key=args.api_key)


def split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Our arguments, and those after ``--`` for vLLM."""
    at = argv.index("--") if "--" in argv else len(argv)
    return argv[:at], argv[at + 1 :]


def _parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"chaku {name}",
        description=description,
        epilog=epilog,
        formatter_class=RawDescriptionRichHelpFormatter,
    )


def serve_parser() -> argparse.ArgumentParser:
    """The options of `chaku serve`, without those that go to vLLM."""
    parser = _parser(
        "serve",
        "Serve models: vLLM's OpenAI-compatible API, and the chat page in front of it, on this machine alone unless\n"
        "there are keys. Prompts are encoded by the function that the model was trained with.",
        "examples:\n  chaku serve model/\n  chaku serve model/ --port 8001 --no-ui -- --max-model-len 4096\n"
        "  chaku serve model/ --adapter pirate=adapters/pirate\n"
        "  chaku keys add alice && chaku serve model/ --host 0.0.0.0 --limit streams=8\n"
        "  chaku serve model/ --engine ray --replicas 1:4\n  chaku serve --status",
    )
    parser.usage = "chaku serve [-h] MODEL [MODEL ...] [options] [-- vLLM arguments]"
    parser.add_argument(
        "model",
        nargs="*",
        metavar="MODEL",
        help="model directory (or a name on the hub); each further one takes the next port",
    )
    parser.add_argument("--status", action="store_true", help="show what runs, and exit (with 1 if nothing does)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; keys open others (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=8000, help="port of the API (default: 8000)")
    parser.add_argument("--ui-port", type=int, default=7860, help="port of the chat page (default: 7860)")
    parser.add_argument("--no-ui", action="store_true", help="serve the API alone")
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="serve a LoRA adapter beside its model, under its own name (may be repeated)",
    )
    parser.add_argument(
        "--ignore-fingerprint",
        action="store_true",
        help="serve a model whose tokenizer, template or package versions are not those of its training",
    )
    parser.add_argument(
        "--engine",
        choices=("vllm", "ray"),
        default="vllm",
        help="vllm: one engine for each model; ray: replicas of one model on Ray Serve, past one machine too",
    )
    parser.add_argument(
        "--replicas",
        default="1",
        metavar="N|MIN:MAX",
        help="engines behind the one address, with --engine ray: a number, or bounds that load moves it between",
    )
    _add_guards(parser)
    add_keeping(parser)
    return parser


def _add_guards(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("who may ask for what")
    group.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        help="file of keys, as `chaku keys` writes it (default: ~/.config/chaku/keys.json, if it is there)",
    )
    group.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="a limit of each key: requests_per_minute, tokens_per_minute, streams (at once), max_tokens, n, prompts, "
        "stops, stop_characters, logprobs, body_bytes, depth (may be repeated)",
    )
    group.add_argument(
        "--access-log", type=Path, metavar="FILE", help="where a line for each request goes (default: beside the logs)"
    )
    group.add_argument(
        "--traces", metavar="URL", help="OpenTelemetry collector that traces go to, for instance http://127.0.0.1:4317"
    )


def _parity_parser() -> argparse.ArgumentParser:
    parser = _parser(
        "parity",
        "Does the running server read conversations as the trainer does? Compares the prompt ids of every reply,\n"
        "token by token; exits with 0 only if all agree.",
        "example:\n  chaku parity model/ --base-url http://127.0.0.1:8000/v1 \\\n"
        "      --conversations data/conversations/held_out.jsonl",
    )
    parser.add_argument("model", metavar="MODEL", help="the model's directory, as it was trained")
    parser.add_argument(
        "--base-url", required=True, metavar="URL", help="the API, for instance http://127.0.0.1:8000/v1"
    )
    parser.add_argument(
        "--conversations", type=Path, metavar="FILE", help="dump or conversations to compare (default: a hostile few)"
    )
    parser.add_argument("--api-key", metavar="KEY", help="the server's key (default: OPENAI_API_KEY)")
    parser.add_argument("--n", type=int, default=200, metavar="N", help="at most so many conversations (default: 200)")
    return parser
