"""vLLM's prompts, made by the trainer's own function: `/v1/chat/completions` and `/tokenize` call `encode_prompt`.

Loaded by vLLM through `serve.vllm_plugin`. Only the step from messages to token ids is ours; parsing, limits, sampling
and streaming stay vLLM's.
"""

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
from serve.request_messages import plain_messages, plain_tools, refuse_other_prompts
from templates import Encoder, InputError, RenderError


class ChakuRenderer(HfRenderer):
    """Encodes a request's messages as the trainer would. A ValueError is a 400 in OpenAI's error shape."""

    def __init__(self, config: VllmConfig, tokenizer: HfTokenizer | None) -> None:
        super().__init__(config, tokenizer)
        self._encoder = Encoder(templates.load("tokenizer", self.get_tokenizer()), self.get_tokenizer())
        self._encoder.choose_engine(for_copies=False)  # here, since no request should wait for it
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

    def _encode(self, messages: list[dict[str, Any]], params: ChatParams) -> list[int]:
        options = params.chat_template_kwargs
        refuse_other_prompts(self._encoder.template.text, chat_template=params.chat_template, options=options)
        tools, asks = plain_tools(options.get("tools") or ()), bool(options.get("add_generation_prompt", True))
        continues = bool(options.get("continue_final_message", False))
        try:
            if not tools and not any("tool_calls" in message for message in messages):
                return self._encoder.encode_prompt(
                    messages, add_generation_prompt=asks, continue_final_message=continues
                )
            if continues:
                raise ValueError("continue_final_message: goes with neither tools nor tool_calls; leave it out")
            return self._encoder.encode_tool_prompt(messages, tools, add_generation_prompt=asks)
        except (RenderError, InputError, RecursionError) as error:
            raise ValueError(f"messages: {error}") from error


def as_conversation(messages: list[dict[str, Any]]) -> list[ConversationMessage]:
    """The messages in vLLM's own form."""
    return [ConversationMessage(role=message["role"], content=message["content"]) for message in messages]
