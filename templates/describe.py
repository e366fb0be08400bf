"""What is known of a template without a model: its roles, what ends a reply, and what its file says of it."""

import re

from templates.conversation import Message, Role
from templates.errors import InputError
from templates.layout import literals_of
from templates.stop import CONTROL_LIKE, stop_after
from templates.template import RenderError, Template

# Stand-ins: the tokens themselves are the tokenizer's.
SPECIAL_TOKENS = {"bos_token": "{bos_token}", "eos_token": "{eos_token}"}
CONTROLS = re.compile("|".join([*map(re.escape, SPECIAL_TOKENS.values()), CONTROL_LIKE.pattern]))
TWO_PAIRS = [
    Message(role="user", content="Hi"),
    Message(role="assistant", content="Hello!"),
    Message(role="user", content="How are you?"),
    Message(role="assistant", content="Well, thank you."),
]
_COMMENT = re.compile(r"\s*\{#-?\s*(.*?)\s*-?#\}", re.DOTALL)
_SENTENCE_END = re.compile(r"(?<=\.)\s+(?=[A-Z])")


def stop_of(template: Template) -> str:
    """The text that ends a reply, with stand-ins for special tokens. Raises InputError where nothing does.

    >>> stop_of(templates.load("vicuna_v1.1"))
    '{eos_token}'
    """
    return stop_after(template, SPECIAL_TOKENS, CONTROLS.search)


def stop_in_words(template: Template) -> str:
    """The same for the eye; where nothing ends a reply, the reason."""
    try:
        return readable(stop_of(template))
    except InputError as error:
        return f"none: {error}"


def roles_of(template: Template) -> str:
    """The roles that a template takes, found by rendering them.

    >>> roles_of(templates.load("llama-2"))
    'system (first), user, assistant in turn'
    """
    takes_system_later = _takes(template, "user", "assistant", "system", "user", "assistant")
    takes_system = takes_system_later or _takes(template, "system", "user", "assistant")
    system = ["system" if takes_system_later else "system (first)"] if takes_system else []
    tool = ["tool"] if _takes(template, "user", "assistant", "tool", "assistant") else []
    in_turn = "" if _takes(template, "user", "user", "assistant", "assistant") else " in turn"
    return ", ".join([*system, "user", "assistant", *tool]) + in_turn


def about(template: Template) -> str:
    """The first sentence of the comment that opens a template's file, or nothing."""
    found = _COMMENT.match(template.text)
    return _SENTENCE_END.split(" ".join(found[1].split()))[0] if found else ""


def readable(text: str) -> str:
    """The text, in quotes where it would not be seen whole.

    >>> print(readable("</s>"), readable(" </s>"))
    </s> ' </s>'
    """
    return text if text.isprintable() and text == text.strip() else repr(text)


def _takes(template: Template, *roles: Role) -> bool:
    try:
        literals_of(template, roles, SPECIAL_TOKENS)
    except RenderError:
        return False
    return True
