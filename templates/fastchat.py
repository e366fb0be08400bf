"""The conversation templates of FastChat's registry (`fastchat:NAME`), each written out as a Jinja text.

No style of separators is coded twice: each entry's own `get_prompt()` is asked where it puts stand-ins for the system
prompt and for three pairs of turns, and the texts around them become the template. Examples that an entry stores
(`one_shot`, `baize`, `rwkv`) stand in `get_prompt()`, so they open the template too, as text that is never trained.
"""

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from templates.errors import InputError

PREFIX = "fastchat:"
_SYSTEM, _TURNS = "\ue000", "\ue001\ue002\ue003\ue004\ue005\ue006"
# Written out in FastChat, but each model's own in fact.
_BOS, _EOS = ("<s>", "<｜begin▁of▁sentence｜>"), ("</s>", "<｜end▁of▁sentence｜>")
_TOKENS = dict.fromkeys(_BOS, "bos_token") | dict.fromkeys(_EOS, "eos_token")
_TOKEN = re.compile(f"({'|'.join(_TOKENS)})")
_EMPTY = '""'
_ROUND = re.compile(r"\[Round (\d+)\]")

_CONTENTS = {"RWKV": r'message.content.replace("\r\n", "\n").replace("\n\n", "\n")'}
# YUAN2 names no roles, deletes every <, n and > from the end of what was said, and closes the whole.
_BODIES = {"YUAN2": "{{- (turns | map(attribute='content') | join('<n>')).rstrip('<n>') + '<sep>' -}}\n"}
_CLOSINGS = {"YUAN2": "<sep>"}

_OPENING = """{{- bos_token -}}
{%%- if messages and messages[0].role == 'system' -%%}
    {{- %(system)s -}}
    {%%- set turns = messages[1:] -%%}
{%%- else -%%}
    {{- %(default)s -}}
    {%%- set turns = messages -%%}
{%%- endif -%%}
"""
_BODY = """{%%- for message in turns -%%}
    {%%- if message.role == 'user' -%%}
        {{- %(user)s -}}
    {%%- elif message.role == 'assistant' -%%}
        {{- %(assistant)s -}}
    {%%- else -%%}
        {{- raise_exception('the roles are system (first), user and assistant, not ' + message.role) -}}
    {%%- endif -%%}
{%%- endfor -%%}
{%%- if add_generation_prompt -%%}
    {{- %(request)s -}}
{%%- endif -%%}
"""


@dataclass(frozen=True)
class _Parts:
    """The texts of one entry: what opens it, and what stands before and after the messages of either role."""

    default: str
    system: tuple[str, ...]
    first_user: str
    user: str
    after_user: str
    assistant: str
    after_assistant: str
    request: str


def names() -> list[str]:
    """The names of the registry's entries, in its order."""
    return list(_registry())


def text_of(name: str) -> str:
    """The Jinja text of an entry. Raises InputError where there is none, or where it is no text format.

    >>> text_of("koala_v1")
    '{#- koala_v1, from fschat 0.2.36 ...'
    """
    registry = _registry()
    if name not in registry:
        near = difflib.get_close_matches(name, registry, n=3, cutoff=0.4) or list(registry)[:8]
        nearest = ", ".join(f"{PREFIX}{one}" for one in near)
        raise InputError(f"there is no template {PREFIX}{name}; the nearest are {nearest} (`chaku templates list`)")
    entry = registry[name]
    if entry.sep_style is None:
        raise InputError(f"{PREFIX}{name} stands for a web service and has no text format; choose another template")
    return f"{{#- {name}, from fschat {version('fschat')}. -#}}\n" + _text(_parts(entry), entry.sep_style.name)


def _registry() -> dict[str, Any]:
    try:
        from fastchat.conversation import conv_templates
    except ImportError as error:
        raise InputError(f"{PREFIX}NAME needs FastChat's registry: pip install 'fschat==0.2.36'") from error
    registry: dict[str, Any] = conv_templates
    return registry


def _parts(entry: Any) -> _Parts:  # noqa: ANN401 fschat has no types
    closing = _CLOSINGS.get(entry.sep_style.name, "")
    bos = next((token for token in _BOS if _prompt(entry, []).startswith(token)), "")
    default, system = (
        _prompt(entry, [], system=given).removeprefix(bos).removesuffix(closing) for given in (None, _SYSTEM)
    )
    one, asked = _prompt(entry, [_TURNS[0]]), _prompt(entry, [_TURNS[0], None])
    opening, first_reply, second_user, *_, after_assistant = re.split(f"[{_TURNS}]", _prompt(entry, _TURNS))
    after_user = one.rpartition(_TURNS[0])[2]
    return _Parts(
        default=default,
        system=tuple(system.split(_SYSTEM)),
        first_user=opening.removeprefix(bos).removeprefix(default),
        user=second_user.removeprefix(after_assistant),
        after_user=after_user,
        assistant=first_reply.removeprefix(after_user),
        after_assistant=after_assistant,
        request=asked.removeprefix(one),
    )


def _prompt(entry: Any, turns: Sequence[str | None], *, system: str | None = None) -> str:  # noqa: ANN401
    conversation = entry.copy()
    if system is not None:
        conversation.set_system_message(system)
    for index, turn in enumerate(turns):
        conversation.append_message(conversation.roles[index % 2], turn)
    return str(conversation.get_prompt())


def _text(parts: _Parts, style: str) -> str:
    content = _CONTENTS.get(style, "message.content")
    values = {
        "default": _quote(parts.default),
        "system": "raise_exception('this format has no place for a system prompt')",
        "user": _sum(_quote_user(parts.first_user, parts.user), content, _quote(parts.after_user)),
        "assistant": _sum(_quote(parts.assistant), content, _quote(parts.after_assistant)),
        "request": _quote(parts.request),
    }
    if len(parts.system) == 2:
        values["system"] = _sum(_quote(parts.system[0]), "messages[0].content", _quote(parts.system[1]))
    return _OPENING % values + _BODIES.get(style, _BODY % values)


def _quote_user(first: str, later: str) -> str:
    """What stands before a user's content: the first may lack it, and ChatGLM counts the rounds."""
    counted = _ROUND.search(first)
    if counted:
        number = f"loop.index0 // 2 + {counted[1]}"
        return f'"[Round " ~ ({number}) ~ {_quote("]" + first[counted.end() :])}'
    return _quote(later) if first == later else f"({_quote(first)} if loop.first else {_quote(later)})"


def _quote(text: str) -> str:
    """A text as a Jinja expression, with the tokenizer's own BOS and end-of-sequence token in place of LLaMA's.

    >>> _quote(" </s>")
    '" " + eos_token'
    """
    return _sum(*(_TOKENS.get(piece, json.dumps(piece, ensure_ascii=False)) for piece in _TOKEN.split(text)))


def _sum(*expressions: str) -> str:
    return " + ".join(expression for expression in expressions if expression != _EMPTY) or _EMPTY
