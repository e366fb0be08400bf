"""ASGI middleware that vLLM loads by `--middleware`: each file one concern between clients and vLLM's server."""

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
)
