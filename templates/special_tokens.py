"""Which special tokens a template may write for a tokenizer."""

from typing import TYPE_CHECKING

from templates.conversation import Message
from templates.errors import InputError
from templates.template import RenderError, Template, own_template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BOS = "\ue000"


def special_tokens_of(template: Template, tokenizer: "PreTrainedTokenizerBase") -> dict[str, str]:
    """The special tokens that a template may write: those of the tokenizer, for the model's own template.

    For any other, BOS is empty where the model was not trained to see it first: a model expects it where its tokenizer
    adds it, or where its own template opens with it. Raises InputError where the tokenizer has no end-of-sequence
    token.
    """
    if tokenizer.eos_token is None:
        raise InputError(f"{tokenizer.name_or_path}: the tokenizer has no eos_token; set one in tokenizer_config.json")
    named = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    if template.text == own_template(tokenizer):
        return named
    adds_bos = tokenizer.bos_token_id is not None and tokenizer("").input_ids[:1] == [tokenizer.bos_token_id]
    bos = tokenizer.bos_token if adds_bos or _own_template_opens_with_bos(tokenizer) else None
    return {**named, "bos_token": bos or ""}


def _own_template_opens_with_bos(tokenizer: "PreTrainedTokenizerBase") -> bool:
    text, hello = own_template(tokenizer), [Message(role="user", content="Hello")]
    if not text:
        return False
    try:
        special_tokens = {"bos_token": _BOS, "eos_token": str(tokenizer.eos_token)}
        return Template(name="tokenizer", text=text).render(hello, special_tokens=special_tokens).startswith(_BOS)
    except RenderError:
        return False
