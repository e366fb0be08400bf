"""What one request may hold: its size, its depth, how much it asks for, and nothing that reaches past the model."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.middleware.errors import send_error
from serve.middleware.keys import limits_of
from serve.middleware.request_record import record_of
from serve.middleware.settings import Limits, read_settings

_COUNTED = ("n", "best_of")
_LENGTHS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_LENGTH_OF = {
    "/v1/chat/completions": "max_completion_tokens",
    "/v1/completions": "max_tokens",
    "/v1/responses": "max_output_tokens",
}
_COMPLETION_LENGTH = 16  # of a completion that names none, as in OpenAI's API
_STOPS = ("stop", "stop_sequences", "bad_words")
_LOGPROBS = ("logprobs", "top_logprobs", "prompt_logprobs")
# Each would make the prompt otherwise than in training, or hands vLLM's process more than text.
_REFUSED = (
    "chat_template",
    "prompt_embeds",
    "mm_processor_kwargs",
    "media_io_kwargs",
    "mm_payload",
    "kv_transfer_params",
    "ec_transfer_params",
)
_ADDRESSES = ("image_url", "audio_url", "video_url", "file_url")
_FETCHED = ("image", "document", "input_image", "input_file", "input_audio", "input_video")


class RefusedError(Exception):
    """Why a request is refused: a status, a sentence, and the field that it is about."""

    def __init__(self, message: str, *, param: str | None = None, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.param, self.status, self.code = message, param, status, code


class RequestRulesMiddleware:
    """Reads a request's body up to the limit, looks at it once, and hands it on as it came."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._limits = read_settings().limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if it keeps the rules; what follows its body is the client's own."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        limits = limits_of(scope, self._limits)
        try:
            body, last = await _read_body(scope, receive, limits)
            if last["type"] == "http.request":
                request = check(body, limits)
                record_of(scope).model = _model(request)
                body = _with_length(body, request, scope["path"], limits)
        except RefusedError as refused:
            close = [(b"connection", b"close")] if refused.status == 413 else []
            await send_error(
                scope, send, refused.status, refused.message, code=refused.code, param=refused.param, headers=close
            )
            return
        if last["type"] == "http.request":
            last = {"type": "http.request", "body": body, "more_body": False}
            scope = {**scope, "headers": _with_content_length(scope, body)}
        waiting = [last]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replay, send)


async def _read_body(scope: Scope, receive: Receive, limits: Limits) -> tuple[bytes, Message]:
    """The whole body, and the message that ended it. What is too large is not read to its end."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    body = bytearray()
    message: Message = {"type": "http.request", "more_body": True}
    too_large = RefusedError(f"The body is larger than {limits.body_bytes} bytes.", status=413, code="body_too_large")
    if int(declared) > limits.body_bytes:
        raise too_large
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > limits.body_bytes:
            raise too_large
    return bytes(body), message


def check(body: bytes, limits: Limits) -> dict[str, Any]:
    """Hold a request against the rules and return it. Raises RefusedError.

    What is no JSON object is left to vLLM, which says so; it is returned as {}.
    """
    request = _parse(body, limits)
    if not isinstance(request, dict):
        return {}
    _check_counts(request, limits)
    _check_stops(request, limits)
    for name in _REFUSED:
        if request.get(name) is not None:
            _refuse(f"{name} is not taken from requests: this server makes prompts as the model was trained.", name)
    _check_addresses(request)
    return request


def _model(request: Mapping[str, Any]) -> str | None:
    model = request.get("model")
    return model[:200] if isinstance(model, str) else None


def _with_length(body: bytes, request: dict[str, Any], path: str, limits: Limits) -> bytes:
    """A request that names no length gets the longest that its key may have; vLLM would go on to the context's end."""
    name = _LENGTH_OF.get(path)
    if not request or name is None or limits.max_tokens is None:
        return body
    if any(request.get(length) is not None for length in _LENGTHS):
        return body
    longest = min(limits.max_tokens, _COMPLETION_LENGTH) if path == "/v1/completions" else limits.max_tokens
    return json.dumps({**request, name: longest}).encode()


def _with_content_length(scope: Scope, body: bytes) -> list[tuple[bytes, bytes]]:
    kept = [item for item in scope["headers"] if item[0] not in (b"content-length", b"transfer-encoding")]
    return [*kept, (b"content-length", str(len(body)).encode())]


def _parse(body: bytes, limits: Limits) -> Any:  # noqa: ANN401 whatever a client sent
    too_deep = f"The body nests deeper than {limits.depth} lists and objects."
    try:
        request = json.loads(body.decode(), parse_constant=_refuse_constant)
    except RecursionError:
        _refuse(too_deep, None, code="too_deep")
    except UnicodeDecodeError:
        _refuse("The body is not UTF-8.", None)
    except ValueError:
        return None
    if _depth(request) > limits.depth:
        _refuse(too_deep, None, code="too_deep")
    if b"\\ud" in body or b"\\uD" in body:
        _check_surrogates(request)
    return request


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"{name} is no number in JSON.", None)


def _check_surrogates(request: Any) -> None:  # noqa: ANN401 whatever a client sent
    """Half of a character cannot be encoded: no tokenizer takes it, and vLLM would answer 500."""
    try:
        json.dumps(request, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        _refuse("A string holds half of a surrogate pair, which is no character.", None)


def _depth(value: Any) -> int:  # noqa: ANN401 whatever a client sent
    """How deep lists and objects nest, level by level."""
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [item for outer in level for item in (outer.values() if isinstance(outer, dict) else outer)]
    return depth


def _check_counts(request: Mapping[str, Any], limits: Limits) -> None:
    for name in _COUNTED:
        _at_most(request, name, limits.n)
    for name in _LOGPROBS:
        _at_most(request, name, limits.logprobs)
    if limits.max_tokens is not None:
        for name in _LENGTHS:
            _at_most(request, name, limits.max_tokens)
    prompts = request.get("prompt")
    if isinstance(prompts, list) and any(not isinstance(prompt, int) for prompt in prompts):
        _few_enough("prompt", prompts, limits.prompts)


def _check_stops(request: Mapping[str, Any], limits: Limits) -> None:
    for name in (*_STOPS, "stop_token_ids"):
        stops = request.get(name)
        if isinstance(stops, list):
            _few_enough(name, stops, limits.stops)
        for stop in stops if isinstance(stops, list) else [stops]:
            if isinstance(stop, str) and len(stop) > limits.stop_characters:
                _refuse(f"{name}: a string of {len(stop)} characters; at most {limits.stop_characters}.", name)


def _check_addresses(request: Mapping[str, Any]) -> None:
    """No message may make the server fetch something (SSRF)."""
    for field in ("messages", "input", "system"):
        for part in _parts(request.get(field)):
            kind = part.get("type") if part.get("type") in _FETCHED else None
            found = next((name for name in _ADDRESSES if name in part), kind)
            if found:
                _refuse(f"{found}: this server fetches nothing; send text.", field)


def _parts(messages: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 whatever a client sent
    """The messages and all parts within them: Anthropic's results of tools hold parts of their own."""
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict):
            yield message
            yield from _parts(message.get("content"))
            yield from _parts(message.get("output"))


def _at_most(request: Mapping[str, Any], name: str, most: int) -> None:
    value = request.get(name)
    try:
        number = float(value) if isinstance(value, int | float | str) else 0  # vLLM reads numbers in strings too
    except (ValueError, OverflowError):
        number = math.inf if isinstance(value, int) else 0
    if number > most:
        _refuse(f"{name} is {str(value)[:40]}; at most {most}.", name)


def _few_enough(name: str, values: list[Any], most: int) -> None:
    if len(values) > most:
        _refuse(f"{name} has {len(values)} entries; at most {most}.", name)


def _refuse(message: str, param: str | None, *, code: str | None = None) -> NoReturn:
    raise RefusedError(message, param=param, code=code)
