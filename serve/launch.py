"""From the arguments of `chaku serve` to the processes that serve: an engine for each model, and the chat page."""

import argparse
import ipaddress
import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from serve.adapters import look_at_adapters
from serve.engine import EngineOptions, engine_command, ray_command
from serve.key_file import default_path, digest, read_keys
from serve.middleware.settings import Limits, Settings, with_limits
from serve.model_directory import ServedModel, look_at
from serve.processes import refuse_busy_port
from serve.prompt_check import check_prompts_apart
from serve.ray_serve.replicas import parse_replicas
from serve.run_state import RUN_VARIABLE, new_run_directory
from serve.supervisor import python_service, supervise
from serve.watched import Service
from templates import InputError

_READY = """\
{names} {verb} served.
  chat page   {page}
{apis}
{snippets}

Ctrl-C stops {what}."""
# To paste, one for each engine.
_SNIPPET = """
{export}curl {api}/chat/completions -H 'Content-Type: application/json' {header}\\
  -d '{{"model": "{name}", "messages": [{{"role": "user", "content": "Hello"}}], "max_tokens": 100}}'

from openai import OpenAI
client = OpenAI(base_url="{api}"{key})
messages = [{{"role": "user", "content": "Hello"}}]
reply = client.chat.completions.create(model="{name}", messages=messages, max_tokens=100)
print(reply.choices[0].message.content)"""


def launch(args: argparse.Namespace, extra: Sequence[str]) -> int:
    """Start all that the arguments of `chaku serve` ask for, and watch it until a signal; returns the exit code."""
    keys = keys_in_use(args.keys)
    refuse_open_host(args.host, keys)
    models = [look_at(model) for model in args.model]
    _refuse_twins(models)
    _check_replicas(args, len(models))
    adapters = look_at_adapters(args.adapter)
    if adapters and len(models) > 1:
        raise InputError("--adapter: goes with one model; serve the other models by a command of their own")
    _refuse_busy_ports(args, len(models))
    run = new_run_directory(models[0].name)
    access_log = args.access_log or run / "access.jsonl"
    _refuse_unwritable(access_log)
    page_key = secrets.token_urlsafe(32) if keys else None
    settings = Settings(
        keys_file=str(keys) if keys else None,
        page_key=digest(page_key, salt="") if page_key else None,
        access_log=str(access_log),
        draining_file=str(run / "draining"),
        limits=with_limits(Limits(), args.limit),
    )
    options = EngineOptions(
        host=args.host,
        port=args.port,
        settings=settings,
        adapters=adapters,
        share=len(models),
        gpus=1 if args.engine == "ray" else None,
        traces=args.traces,
        extra=extra,
    )
    services = [_engine(model, args, replace(options, port=args.port + at)) for at, model in enumerate(models)]
    names = [model.name for model in models] + [adapter.name for adapter in adapters]
    if not args.no_ui:
        services.append(_page(args, names[0], page_key, run))
    return supervise(services, ready_text=_ready_text(args, models, names, has_keys=keys is not None), run=run)


def keys_in_use(given: Path | None) -> Path | None:
    """The file of keys that guards the server: the one that is named, or the default one where it exists."""
    path = given or default_path()
    if given is not None and not given.is_file():
        raise InputError(f"--keys {given}: there is no such file; `chaku keys add NAME --keys {given}` makes one")
    if not path.is_file():
        return None
    read_keys(path)
    return path.resolve()


def refuse_open_host(host: str, keys: Path | None) -> None:
    """Raise InputError where anyone who reaches the server could use it."""
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback and (keys is None or not read_keys(keys)):
        raise InputError(
            f"--host {host}: anyone who reaches it could use the server; make keys first: `chaku keys add NAME`"
        )


def _refuse_twins(models: Sequence[ServedModel]) -> None:
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        raise InputError(f"{', '.join(names)}: two models have one name; rename a directory")


def _check_replicas(args: argparse.Namespace, models: int) -> None:
    if args.engine == "ray" and models > 1:
        raise InputError("--engine ray: goes with one model; serve the other models by a command of their own")
    if parse_replicas(args.replicas).most > 1 and args.engine != "ray":
        raise InputError(f"--replicas {args.replicas}: goes with --engine ray")


def _refuse_busy_ports(args: argparse.Namespace, count: int) -> None:
    ports = range(args.port, args.port + count)
    for port in ports:
        refuse_busy_port("--port", args.host, port)
    if not args.no_ui:
        if args.ui_port in ports:
            raise InputError(f"--ui-port {args.ui_port}: the API takes {ports[0]} to {ports[-1]}; give another")
        refuse_busy_port("--ui-port", args.host if args.users else "127.0.0.1", args.ui_port)


def _refuse_unwritable(log: Path) -> None:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.open("a").close()
    except OSError as error:
        raise InputError(f"{log}: cannot be written ({error.strerror}); name another by --access-log") from error


def _engine(model: ServedModel, args: argparse.Namespace, options: EngineOptions) -> Service:
    prompts = check_prompts_apart(model, ignore_fingerprint=args.ignore_fingerprint)
    command = engine_command(model, prompts=prompts, options=options)
    if args.engine == "ray":
        command = ray_command(command, replicas=args.replicas)
    name = "engine" if options.share == 1 else f"engine of {model.name}"
    return Service(name, command.argv, command.environment, f"{_root(args.host, options.port)}/health")


def _page(args: argparse.Namespace, model: str, key: str | None, run: Path) -> Service:
    apis = _apis(args)
    options = [part for api in apis for part in ("--base-url", api)]
    options += ["--port", str(args.ui_port), "--model", model]
    options += ["--db", args.db] if args.db else []
    # A page with a login is as open as the API; one without answers to this machine alone.
    options += ["--users", str(args.users), "--host", args.host] if args.users else []
    # The key is made at each start, is told to the page alone, and is never shown.
    environment = {**os.environ, RUN_VARIABLE: str(run)}
    environment |= {"OPENAI_API_KEY": ",".join([key] * len(apis))} if key else {}
    url = f"{_page_root(args)}/{'login' if args.users else ''}"
    return python_service("chat page", "chaku", "chat", *options, environment=environment, ready_url=url)


def _apis(args: argparse.Namespace) -> list[str]:
    """The address of each model's API."""
    return [f"{_root(args.host, args.port + at)}/v1" for at in range(len(args.model))]


def _page_root(args: argparse.Namespace) -> str:
    return _root(args.host if args.users else "127.0.0.1", args.ui_port)


def _root(host: str, port: int) -> str:
    """The address by which this machine reaches a server that listens on a host."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104 not bound here
    return f"http://{reached}:{port}"


def _ready_text(
    args: argparse.Namespace, models: Sequence[ServedModel], names: Sequence[str], *, has_keys: bool
) -> str:
    apis = _apis(args)
    lines = [
        f"  API         {api}{f'  {model.name}' if len(models) > 1 else ''}"
        for api, model in zip(apis, models, strict=True)
    ]
    return _READY.format(
        names=", ".join(names),
        verb="is" if len(names) == 1 else "are",
        page="not started (--no-ui)" if args.no_ui else f"{_page_root(args)}/",
        apis="\n".join(lines),
        snippets="\n".join(
            _snippet(api, model.name, has_keys=has_keys) for api, model in zip(apis, models, strict=True)
        ),
        what="it" if args.no_ui and len(models) == 1 else "all",
    )


def _snippet(api: str, name: str, *, has_keys: bool) -> str:
    return _SNIPPET.format(
        api=api,
        name=name,
        export="export OPENAI_API_KEY=...   # a key that `chaku keys add NAME` made\n" if has_keys else "",
        header='-H "Authorization: Bearer $OPENAI_API_KEY" ' if has_keys else "",
        key="" if has_keys else ', api_key="none"',  # the client reads the variable by itself
    )
