"""vLLM's prompts, made by the trainer's own function: `/v1/chat/completions` and `/tokenize` call `encode_prompt`.

Loaded by vLLM through `serve.vllm_plugin`. Only the step from messages to token ids is ours; parsing, limits, sampling
and streaming stay vLLM's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from vllm.config import VllmConfig
from vllm.inputs import TokensPrompt
from vllm.renderers.chat_utils import ChatCompletionMessageParam, ConversationMessage
from vllm.renderers.hf import HfRenderer
from vllm.renderers.inputs import DictPrompt
from vllm.renderers.params import ChatParams
from vllm.tokenizers.hf import HfTokenizer
from vllm.utils.async_utils import make_async

import templates
from templates import Encoder, InputError, RenderError


class ChakuRenderer(HfRenderer):
    """Encodes a request's messages as the trainer would. A ValueError is a 400 in OpenAI's error shape."""

    def __init__(self, config: VllmConfig, tokenizer: HfTokenizer | None) -> None:
        super().__init__(config, tokenizer)
        self._encoder = Encoder(templates.load("tokenizer", self.get_tokenizer()), self.get_tokenizer())
        self._encode_async = make_async(self._encode, executor=self._executor)

    def render_messages(
        self, messages: list[ChatCompletionMessageParam], params: ChatParams
    ) -> tuple[list[ConversationMessage], DictPrompt]:
        """The prompt's token ids, for vLLM's offline use."""
        plain = plain_messages(messages)
        return as_conversation(plain), TokensPrompt(prompt_token_ids=self._encode(plain, params))

    async def render_messages_async(
        self, messages: list[ChatCompletionMessageParam], params: ChatParams
    ) -> tuple[list[ConversationMessage], DictPrompt]:
        """The prompt's token ids, off the event loop."""
        plain = plain_messages(messages)
        return as_conversation(plain), TokensPrompt(prompt_token_ids=await self._encode_async(plain, params))

    def _encode(self, messages: list[dict[str, str]], params: ChatParams) -> list[int]:
        options = params.chat_template_kwargs
        if options.get("tools"):
            raise ValueError("tools: this server's template was not trained with tools; leave them out")
        try:
            return self._encoder.encode_prompt(
                messages,
                add_generation_prompt=bool(options.get("add_generation_prompt", True)),
                continue_final_message=bool(options.get("continue_final_message", False)),
            )
        except (RenderError, InputError) as error:
            raise ValueError(f"messages: {error}") from error


def plain_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The messages with text contents. Raises ValueError for images, audio and whatever else is not text.

    >>> plain_messages([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}])
    [{'role': 'user', 'content': 'Hi'}]
    """
    return [{"role": _role(message, turn), "content": _text(message, turn)} for turn, message in enumerate(messages)]


def as_conversation(messages: list[dict[str, str]]) -> list[ConversationMessage]:
    """The messages in vLLM's own form."""
    return [ConversationMessage(role=message["role"], content=message["content"]) for message in messages]


def _role(message: Mapping[str, Any], turn: int) -> str:
    role = "system" if message.get("role") == "developer" else message.get("role")
    if role not in templates.ROLES:
        raise ValueError(f"messages[{turn}].role: {role!r} is not one of {', '.join(templates.ROLES)}")
    return role


def _text(message: Mapping[str, Any], turn: int) -> str:
    if message.get("tool_calls"):
        raise ValueError(f"messages[{turn}].tool_calls: this server's template was not trained with tools")
    content = message.get("content")
    parts = [content] if content is None or isinstance(content, str) else list(content)
    return "\n".join(_part(part, turn) for part in parts)


def _part(part: Any, turn: int) -> str:  # noqa: ANN401 whatever a client sent
    if isinstance(part, str):
        return part
    if part is None:
        return ""
    if isinstance(part, Mapping) and part.get("type") in ("text", "input_text", "output_text", "refusal"):
        return str(part.get("text") or part.get("refusal") or "")
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    raise ValueError(f"messages[{turn}].content: a part of type {kind!r} is not text, and this model reads only text")
