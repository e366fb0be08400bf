"""ASGI middleware that vLLM loads by `--middleware`: each file one concern between clients and vLLM's server."""

import importlib

from starlette.types import ASGIApp

# From the outside to the inside, as a request passes them.
ORDER = (
    "serve.middleware.request_record.RequestRecordMiddleware",
    "serve.middleware.errors.ErrorsMiddleware",
    "serve.middleware.draining.DrainingMiddleware",
    "serve.middleware.keys.KeysMiddleware",
    "serve.middleware.routes.RoutesMiddleware",
    "serve.middleware.rates.RatesMiddleware",
    "serve.middleware.request_rules.RequestRulesMiddleware",
    "serve.middleware.stream_headers.StreamHeadersMiddleware",
    "serve.middleware.model_card.ModelCardMiddleware",
)


def wrapped(app: ASGIApp) -> ASGIApp:
    """An application behind all of the middleware, where it is not vLLM that loads it."""
    for path in reversed(ORDER):
        module, name = path.rsplit(".", 1)
        app = getattr(importlib.import_module(module), name)(app)
    return app
