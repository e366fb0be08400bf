"""`chaku serve`, `chaku chat` and `chaku parity`."""

import argparse
import ipaddress
from pathlib import Path

from rich_argparse import RawDescriptionRichHelpFormatter

from templates import InputError

_READY = """\
{name} is served.
  chat page   {page}
  API         {api}

curl {api}/chat/completions -H 'Content-Type: application/json' \\
  -d '{{"model": "{name}", "messages": [{{"role": "user", "content": "Hello"}}]}}'

from openai import OpenAI
client = OpenAI(base_url="{api}", api_key="none")
reply = client.chat.completions.create(model="{name}", messages=[{{"role": "user", "content": "Hello"}}])
print(reply.choices[0].message.content)

Ctrl-C stops {what}."""


def serve(argv: list[str]) -> int:
    """Run `chaku serve ...`; returns the exit code."""
    ours, extra = _split(argv)
    args = _serve_parser().parse_args(ours)
    from serve.engine import engine_command
    from serve.model_directory import look_at
    from serve.processes import refuse_busy_port
    from serve.prompt_check import check_prompts
    from serve.supervisor import Service, log_directory, python_service, supervise

    _refuse_open_host(args.host)
    model = look_at(args.model)
    refuse_busy_port("--port", args.host, args.port)
    if not args.no_ui:
        refuse_busy_port("--ui-port", args.host, args.ui_port)
    prompts = check_prompts(model, ignore_fingerprint=args.ignore_fingerprint)
    command = engine_command(model, host=args.host, port=args.port, prompts=prompts, extra=extra)
    root, page = f"http://{args.host}:{args.port}", f"http://{args.host}:{args.ui_port}/"
    services = [Service("engine", command.argv, command.environment, f"{root}/health")]
    if not args.no_ui:
        options = ("--base-url", f"{root}/v1", "--port", str(args.ui_port), "--model", model.name)
        services.append(python_service("chat page", "serve.chat_page", *options, ready_url=page))
    shown = ("not started (--no-ui)", "it") if args.no_ui else (page, "both")
    text = _READY.format(name=model.name, api=f"{root}/v1", page=shown[0], what=shown[1])
    return supervise(services, ready_text=text, logs=log_directory(model.name))


def chat(argv: list[str]) -> int:
    """Run `chaku chat ...`; returns the exit code."""
    args = _chat_parser().parse_args(argv)
    from serve.chat_page import run

    run(base_url=args.base_url, port=args.port, model=args.model)
    return 0


def parity(argv: list[str]) -> int:
    """Run `chaku parity ...`; returns 0 only if all conversations agree."""
    args = _parity_parser().parse_args(argv)
    from serve.parity_command import run

    return run(args.model, base_url=args.base_url, conversations=args.conversations, limit=args.n, api_key=args.api_key)


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Our arguments, and those after ``--`` for vLLM."""
    at = argv.index("--") if "--" in argv else len(argv)
    return argv[:at], argv[at + 1 :]


def _refuse_open_host(host: str) -> None:
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise InputError(f"--host {host}: anyone who reaches it could use the server; only the loopback is served")


def _parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"chaku {name}",
        description=description,
        epilog=epilog,
        formatter_class=RawDescriptionRichHelpFormatter,
    )


def _serve_parser() -> argparse.ArgumentParser:
    parser = _parser(
        "serve",
        "Serve a model: vLLM's OpenAI-compatible API, and the chat page in front of it, on this machine alone.\n"
        "Prompts are encoded by the function that the model was trained with.",
        "examples:\n  chaku serve model/\n  chaku serve model/ --port 8001 --no-ui -- --max-model-len 4096",
    )
    parser.add_argument("model", metavar="MODEL", help="model directory (or a name on the hub)")
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port of the API (default: 8000)")
    parser.add_argument("--ui-port", type=int, default=7860, help="port of the chat page (default: 7860)")
    parser.add_argument("--no-ui", action="store_true", help="serve the API alone")
    parser.add_argument(
        "--ignore-fingerprint",
        action="store_true",
        help="serve a model whose tokenizer, template or package versions are not those of its training",
    )
    parser.usage = "chaku serve [-h] MODEL [options] [-- vLLM arguments]"
    return parser


def _chat_parser() -> argparse.ArgumentParser:
    parser = _parser(
        "chat",
        "The chat page alone, in front of any OpenAI-compatible API. A key is read from OPENAI_API_KEY.",
        "example:\n  chaku chat --base-url http://127.0.0.1:8000/v1",
    )
    parser.add_argument(
        "--base-url", required=True, metavar="URL", help="the API, for instance http://127.0.0.1:8000/v1"
    )
    parser.add_argument("--port", type=int, default=7860, help="port of the page (default: 7860)")
    parser.add_argument("--model", metavar="NAME", help="model to chat with (default: the first that the API lists)")
    return parser


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
