"""What a file of Ray Serve names (`import_path: serve.ray_serve.service:service`), as KubeRay's RayService does."""

import os
import shlex
from typing import Any

from ray.serve.deployment import Application

from serve.adapters import look_at_adapters
from serve.cli import serve_parser, split
from serve.engine import EngineCommand, EngineOptions, engine_command
from serve.key_file import read_keys
from serve.launch import keys_in_use
from serve.middleware.settings import Limits, Settings, with_limits
from serve.model_directory import look_at
from serve.prompt_check import check_prompts_apart
from serve.ray_serve.application import build
from serve.ray_serve.replicas import parse_replicas
from templates import InputError


def service(args: dict[str, Any]) -> Application:
    """An application from ``{"arguments": "MODEL --replicas 1:4 --keys FILE ..."}``, written as for `chaku serve`.

    Host, port and the chat page belong to the cluster and are left out. Raises InputError without keys, since whoever
    reaches the cluster's address could use it.
    """
    command, replicas = service_command(args["arguments"])
    os.environ.update(command.environment)
    return build(command.argv[3:], parse_replicas(replicas))


def service_command(arguments: str) -> tuple[EngineCommand, str]:
    """How a single engine would be started, and how many there are."""
    ours, extra = split(shlex.split(arguments))
    parsed = serve_parser().parse_args(ours)
    keys = keys_in_use(parsed.keys)
    if keys is None or not read_keys(keys):
        raise InputError(
            "--keys: a service is open to its cluster; name a file of keys (`chaku keys add NAME` makes one)"
        )
    if len(parsed.model) != 1:
        raise InputError("arguments: give one MODEL; each model is a service of its own")
    model = look_at(parsed.model[0])
    settings = Settings(
        keys_file=str(keys),
        access_log=str(parsed.access_log) if parsed.access_log else None,
        limits=with_limits(Limits(), parsed.limit),
    )
    options = EngineOptions(
        host=parsed.host,
        port=parsed.port,
        settings=settings,
        adapters=look_at_adapters(parsed.adapter),
        gpus=1,
        traces=parsed.traces,
        extra=extra,
    )
    prompts = check_prompts_apart(model, ignore_fingerprint=parsed.ignore_fingerprint)
    return engine_command(model, prompts=prompts, options=options), parsed.replicas
