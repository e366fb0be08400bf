"""Where a template puts the contents of the messages, found by rendering stand-ins in their place.

A layout depends on the sequence of roles alone, so a few dozen of them serve a whole data set. It is only believed of a
conversation where the template is known to write its contents as they are (`verbatim`), or where the conversation,
rendered for real, agrees to the byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from templates.conversation import Message, Role
from templates.template import RenderError, Template

# Stand-ins are single private-use characters: no template trims, escapes or compares them.
_FIRST_STAND_IN = 0xF0000
_MOST_MESSAGES = 0xFFFD
# The prefix of every reply is checked up to this turn; beyond it a template has repeated itself often enough.
_CHECKED_TURNS = 64


@dataclass(frozen=True)
class Layout:
    """The literal texts around the contents of one sequence of roles: `literals[k]` stands before content `k`.

    `prompt_literals[k]`, for an assistant's message `k`, is the literal that ends the prompt which asks for it, or
    None where that prompt is no prefix of the whole (then the reply must not be trained).

    >>> layout_of(vicuna, ("user", "assistant"), special_tokens).literals
    ('<s>A chat ... questions. USER: ', ' ASSISTANT: ', '</s>')
    """

    literals: tuple[str, ...]
    prompt_literals: tuple[str | None, ...]

    def opening(self, turn: int) -> str:
        """What the template writes between the prompt for a reply and its content: nothing, or a space."""
        prompt = self.prompt_literals[turn]
        return "" if prompt is None else self.literals[turn][len(prompt) :]


def literals_of(
    template: Template, roles: Sequence[Role], special_tokens: dict[str, str], *, add_generation_prompt: bool = False
) -> tuple[str, ...]:
    """The `len(roles) + 1` literals around the contents.

    Raises RenderError where the template refuses the roles, or loses, moves or repeats a content.
    """
    if len(roles) > _MOST_MESSAGES:
        raise RenderError(f"{len(roles)} messages are more than the {_MOST_MESSAGES} that a conversation can have")
    stand_ins = [chr(_FIRST_STAND_IN + turn) for turn in range(len(roles))]
    messages = [Message(role=role, content=mark) for role, mark in zip(roles, stand_ins, strict=True)]
    text = template.render(messages, special_tokens=special_tokens, add_generation_prompt=add_generation_prompt)
    literals, rest = [], text
    for turn, mark in enumerate(stand_ins):
        before, found, rest = rest.partition(mark)
        if not found or mark in rest:
            fate = "repeats" if found else "loses or moves"
            raise RenderError(f"template {template.name} {fate} the content of turn {turn} ({roles[turn]})")
        literals.append(before)
    return (*literals, rest)


def layout_of(template: Template, roles: Sequence[Role], special_tokens: dict[str, str]) -> Layout:
    """The layout of a whole conversation, with the prompt of each reply held against it."""
    literals = literals_of(template, roles, special_tokens)
    prompts: list[str | None] = []
    known: dict[str, str | None] = {}
    for turn, role in enumerate(roles):
        if role != "assistant":
            prompts.append(None)
            continue
        before = literals[turn]
        if before not in known or turn <= _CHECKED_TURNS or turn >= len(roles) - 2:
            known[before] = _prompt_literal(template, roles[:turn], special_tokens, literals)
        prompts.append(known[before])
    return Layout(literals=literals, prompt_literals=tuple(prompts))


def _prompt_literal(
    template: Template, roles: Sequence[Role], special_tokens: dict[str, str], whole: tuple[str, ...]
) -> str | None:
    """The literal that ends the prompt for the turn after `roles`, if that prompt is a prefix of the whole."""
    try:
        literals = literals_of(template, roles, special_tokens, add_generation_prompt=True)
    except RenderError:
        return None
    is_prefix = literals[:-1] == whole[: len(roles)] and whole[len(roles)].startswith(literals[-1])
    return literals[-1] if is_prefix else None


def contents_in(text: str, literals: Sequence[str], contents: Sequence[str]) -> list[str] | None:
    """The contents as they stand in the rendered text, or None where the template rewrote one of them.

    A template may trim a content, or one space of it; anything else is a rewrite.

    >>> contents_in("<s>USER: hi ASSISTANT:", ["<s>USER: ", " ASSISTANT:"], [" hi\\n"])
    ['hi']
    """
    parts = [""] * (len(literals) + len(contents))
    parts[::2], parts[1::2] = literals, contents
    if text == "".join(parts):
        return list(contents)
    found, position = [], len(literals[0])
    if not text.startswith(literals[0]):
        return None
    for content, literal in zip(contents, literals[1:], strict=True):
        for variant in _trimmed(content):
            end = position + len(variant)
            if text.startswith(variant, position) and text.startswith(literal, end):
                found.append(variant)
                position = end + len(literal)
                break
        else:
            return None
    return found if position == len(text) else None


def _trimmed(content: str) -> list[str]:
    return [content, content.removeprefix(" "), content.strip(), content.lstrip(), content.rstrip()]
