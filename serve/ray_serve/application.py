"""From vLLM's command line, as for a single engine, to an application of Ray Serve."""

import os
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ray import serve
from ray.serve.deployment import Application
from ray.serve.llm import LLMConfig, build_llm_deployment
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.cli_args import FrontendArgs, make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

from serve.engine import runs_on_cpu
from serve.ray_serve.ingress import application_builder
from serve.ray_serve.replica import Replica
from serve.ray_serve.replicas import Replicas

NAME = "chaku"
# What Ray Serve or the ingress does itself, or is given otherwise.
_NOT_THE_ENGINES = frozenset(("model", "served_model_name", "host", "port", "middleware", "api_key"))
_PASSED_ON = ("CHAKU_", "VLLM_", "HF_HUB_", "LD_PRELOAD", "DO_NOT_TRACK", "OTEL_")
# An engine whose health check fails three times is replaced.
_HEALTH_CHECK_SECONDS = 2
_MANY = 10_000


def parse_vllm_arguments(argv: Sequence[str]) -> tuple[Any, dict[str, Any]]:
    """vLLM's arguments, and those of them that an engine is given: all that are not the default.

    >>> parse_vllm_arguments(["--model", "vicuna", "--max-model-len", "512"])[1]
    {'max_model_len': 512}
    """
    parser = make_arg_parser(FlexibleArgumentParser())
    args, defaults = parser.parse_args(list(argv)), parser.parse_args([])
    names = {field.name for kind in (AsyncEngineArgs, FrontendArgs) for field in fields(kind)} - _NOT_THE_ENGINES
    given, usual = vars(args), vars(defaults)
    return args, {name: given[name] for name in sorted(names & given.keys()) if given[name] != usual[name]}


def build(argv: Sequence[str], replicas: Replicas) -> Application:
    """An ingress with the middleware of a single engine, and so many engines behind it."""
    args, engine_kwargs = parse_vllm_arguments(argv)
    name = args.served_model_name[0]
    runtime = {"env_vars": _environment()}
    config = LLMConfig(
        model_loading_config={"model_id": name, "model_source": args.model},
        engine_kwargs=engine_kwargs,
        runtime_env=runtime,
        placement_group_config={"bundle_per_worker": {"CPU": 1} if runs_on_cpu() else {"GPU": 1}},
        # Each piece of a stream goes out by itself, as from a single engine.
        experimental_configs={"stream_batching_interval_ms": 0},
        deployment_config={
            **replicas.deployment_options(),
            "max_ongoing_requests": _MANY,
            "health_check_period_s": _HEALTH_CHECK_SECONDS,
            "graceful_shutdown_timeout_s": 5,
            "graceful_shutdown_wait_loop_s": 0.2,
            "ray_actor_options": {"num_cpus": 0},
        },
    )
    engine = build_llm_deployment(config, deployment_cls=Replica, override_serve_options={"name": "engine"})
    builder = application_builder(args.middleware, deployment="engine", application=NAME)
    options = {"num_cpus": 0, "runtime_env": runtime}
    # One ingress: the limits of a key are counted in its memory.
    ingress = serve.deployment(serve.ingress(builder)(), name="ingress", num_replicas=1, ray_actor_options=options)
    return ingress.options(max_ongoing_requests=_MANY).bind(engine)


def _environment() -> dict[str, str]:
    """What the processes on other machines need of this one's environment."""
    return {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
