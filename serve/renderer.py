"""vLLM's prompts, made by the trainer's own function: `/v1/chat/completions` and `/tokenize` call `encode_prompt`.

Loaded by vLLM through `serve.vllm_plugin`. Only the step from messages to token ids is ours; parsing, limits, sampling
and streaming stay vLLM's.
"""

from typing import Any

from transformers.utils.chat_template_utils import _get_template_variables
from vllm.config import VllmConfig
from vllm.inputs import TokensPrompt
from vllm.renderers.chat_utils import ChatCompletionMessageParam, ConversationMessage
from vllm.renderers.hf import HfRenderer
from vllm.renderers.inputs import DictPrompt
from vllm.renderers.params import ChatParams
from vllm.tokenizers.hf import HfTokenizer
from vllm.utils.async_utils import make_async

import templates
from serve.request_messages import plain_messages, plain_tools
from templates import Encoder, InputError, RenderError

# What a template asks for that it is given; `messages` and the special tokens never come from a request.
_UNDERSTOOD = frozenset(("messages", "tools", "add_generation_prompt", "continue_final_message"))


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

    def _encode(self, messages: list[dict[str, Any]], params: ChatParams) -> list[int]:
        self._refuse_other_prompts(params)
        options = params.chat_template_kwargs
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

    def _refuse_other_prompts(self, params: ChatParams) -> None:
        """No request may have its prompt made otherwise than in training, nor believe that it had."""
        template = self._encoder.template.text
        if params.chat_template not in (None, template):
            raise ValueError("chat_template: prompts are made by the template of the model's training; leave it out")
        # what a template never asks for changes nothing, and clients send such options to every server
        asked_for = _get_template_variables(template) - _UNDERSTOOD
        if unread := sorted(asked_for & params.chat_template_kwargs.keys()):
            raise ValueError(f"{', '.join(unread)}: the model was trained without this option; leave it out")


def as_conversation(messages: list[dict[str, Any]]) -> list[ConversationMessage]:
    """The messages in vLLM's own form."""
    return [ConversationMessage(role=message["role"], content=message["content"]) for message in messages]
