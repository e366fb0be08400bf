"""What ends a reply, derived from the template: nobody types a stop string."""

import re
from collections.abc import Callable, Container
from itertools import takewhile
from typing import TypeAlias

from templates.conversation import Role
from templates.errors import InputError
from templates.layout import literals_of
from templates.template import RenderError, Template

_TWO_PAIRS: tuple[Role, ...] = ("user", "assistant") * 2
# What formats write as control tokens: <|im_end|>, <｜User｜>, <end_of_turn>, </s>
CONTROL_LIKE = re.compile(r"<\|[^<>\s]+\|>|<｜[^<>\s]+｜>|</?[a-z_]+>")

FindControl: TypeAlias = Callable[[str], re.Match[str] | None]


def stop_after(template: Template, special_tokens: dict[str, str], find_control: FindControl) -> str:
    """The text that ends every reply: up to the first control token after it, else what always follows it.

    Raises InputError where nothing does, since a model trained so would never stop, and where the template loses,
    moves or repeats a content.

    >>> stop_after(vicuna, {"bos_token": "<s>", "eos_token": "</s>"}, re.compile("<s>|</s>").search)
    '</s>'
    """
    try:
        literals = literals_of(template, _TWO_PAIRS, special_tokens)
    except RenderError as error:
        raise InputError(
            f"{error}; a template must hold a user's and an assistant's turns, one after another"
        ) from error
    common = _always_after(literals)
    control = find_control(common)
    # text that two different words happen to begin with is no stop
    is_whole = common == literals[-1] or common[-1:].isspace()
    stop = common[: control.end()] if control else common.rstrip() if is_whole else ""
    if not stop:
        raise InputError(
            f"template {template.name}: nothing ends a reply (after the last one stands {literals[-1]!r}, after the "
            f"first {literals[2]!r}); a model trained so would never stop. Write the end-of-sequence token after each "
            "reply, or choose a template that does"
        )
    return stop


def missing_controls(template: Template, special_tokens: dict[str, str], known: Container[str]) -> list[str]:
    """The control tokens that a template writes out and the tokenizer lacks; none where it stands on eos_token alone.

    A template that writes out the control token that ends a reply (ChatML's) was made for a tokenizer that has all of
    those that it writes. One whose replies end with the tokenizer's own end-of-sequence token or with plain text may
    use words such as ``<|user|>`` as plain text (Zephyr, Tulu).

    >>> missing_controls(chatml, {"bos_token": "<s>", "eos_token": "</s>"}, known={"<s>", "</s>"})
    ['<|im_start|>', '<|im_end|>']
    """
    literals = literals_of(template, _TWO_PAIRS, {**special_tokens, "bos_token": "", "eos_token": ""})
    if not CONTROL_LIKE.search(_always_after(literals)):
        return []
    written = dict.fromkeys(CONTROL_LIKE.findall("".join(literals)))
    return [string for string in written if string not in known]


def _always_after(literals: tuple[str, ...]) -> str:
    """What follows the first reply of two pairs, and the last one alike."""
    pairs = zip(literals[2], literals[-1], strict=False)
    return "".join(first for first, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
