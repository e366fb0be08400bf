"""What ends a reply, derived from the template: nobody types a stop string."""

from itertools import takewhile

from templates.conversation import Role
from templates.errors import InputError
from templates.layout import literals_of
from templates.spelling import Speller
from templates.template import RenderError, Template

_ONE_PAIR: tuple[Role, ...] = ("user", "assistant")


def stop_after(template: Template, special_tokens: dict[str, str], spell: Speller) -> str:
    """The text that ends every reply: up to the first control token after it, else what always follows it.

    Raises InputError where nothing does, since a model trained so would never stop.

    >>> stop_after(vicuna, {"bos_token": "<s>", "eos_token": "</s>"}, spell)
    '</s>'
    """
    try:
        last = literals_of(template, _ONE_PAIR, special_tokens)[2]
        between = literals_of(template, _ONE_PAIR * 2, special_tokens)[2]
    except RenderError as error:
        raise InputError(f"{error}; a template must hold a user's and an assistant's turn") from error
    common = "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(last, between, strict=False)))
    control = spell.first_control(common)
    stop = common[: control.end()] if control else common.rstrip()
    if not stop:
        raise InputError(
            f"template {template.name}: nothing ends a reply (after the last one stands {last!r}, after the first "
            f"{between!r}); a model trained so would never stop. Write the end-of-sequence token after each reply"
        )
    return stop
