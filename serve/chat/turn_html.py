"""A turn of a conversation as HTML: what was said, how it went, and what can be done with it."""

from collections.abc import Callable
from html import escape

from serve.chat.errors import in_words
from serve.chat.icons import icon, icon_button
from serve.chat.language import Texts
from serve.chat.markdown import to_html
from serve.chat.store.messages import Branch, Turn
from serve.chat.store.tables import Message


def branch_html(branch: Branch, texts: Texts, *, url_of: Callable[[str], str]) -> str:
    """All turns of the shown branch: those that the last request left out are marked, and several models named."""
    left_out, last = _left_out(branch.messages), len(branch.turns) - 2
    several = len({message.model for message in branch.messages if message.role == "assistant"}) > 1
    turns = [
        turn_html(turn, texts, url_of=url_of, is_left_out=at < left_out, is_last=at >= last, named=several)
        for at, turn in enumerate(branch.turns)
    ]
    if left_out:
        turns.insert(left_out, _left_out_notice(branch.messages, left_out, texts))
    return "\n".join(turns)


def turn_html(
    turn: Turn,
    texts: Texts,
    *,
    url_of: Callable[[str], str],
    is_left_out: bool = False,
    is_last: bool = False,
    is_shared: bool = False,
    named: bool = False,
) -> str:
    """One turn. A shared one has no controls."""
    message = turn.message
    is_user = message.role == "user"
    said = escape(message.content) if is_user else to_html(message.content.lstrip(), copy=texts("turn.copy"))
    name = escape(texts("turn.you") if is_user else message.model or message.role)
    classes = f"turn {'user' if is_user else 'bot'}{' left-out' if is_left_out else ''}"
    foot = "" if is_shared or message.state == "growing" else _foot(turn, texts, is_last=is_last, named=named)
    return (
        f'<article class="{classes}" data-id="{message.id}" data-state="{message.state}" aria-label="{name}">'
        f'<div class="body" data-testid="{"user" if is_user else "bot"}">{said}</div>'
        f"{_outcome(message, texts, url_of=url_of, is_shared=is_shared)}{foot}</article>"
    )


def _outcome(message: Message, texts: Texts, *, url_of: Callable[[str], str], is_shared: bool) -> str:
    """Why a reply is no whole one, with what to do about it."""
    if message.corrects:
        return f'<p class="label">{texts("turn.corrected")}</p>'
    if message.role != "assistant" or message.state == "growing" or is_shared:
        return ""
    action = "continue" if message.content.strip() else "retry"
    buttons = _plain_button(action, texts(f"turn.{action}"), message)
    if message.state == "failed":
        words = escape(in_words(message.error, texts, base_url=url_of(message.model)))
        return f'<div class="outcome failed" role="alert"><p>{words}</p>{buttons}</div>'
    if message.state in ("cut", "stopped"):
        key = f"turn.{message.state}"
    elif message.finish_reason == "length":
        key = "turn.length"
    elif not message.content.strip():
        key = "turn.empty"
    else:
        return ""
    return f'<div class="outcome"><p>{texts(key)}</p>{buttons}</div>'


def _plain_button(action: str, label: str, message: Message) -> str:
    return f'<button type="button" class="plain" data-do="{action}" data-id="{message.id}">{label}</button>'


def _foot(turn: Turn, texts: Texts, *, is_last: bool, named: bool) -> str:
    message, parts = turn.message, [_versions(turn, texts)]

    def button(name: str, action: str, key: str, **more: str) -> str:
        return icon_button(name, texts(key), do=action, id=message.id, **more)

    parts.append(button("copy", "copy", "turn.copy"))
    if message.role == "user":
        parts.append(button("edit", "edit", "turn.edit"))
        if is_last:
            parts.append(button("undo", "undo", "turn.undo"))
    else:
        parts += [
            button("regenerate", "regenerate", "turn.regenerate"),
            button("edit", "correct", "turn.correct"),
            _thumb(message, 1, texts),
            _thumb(message, -1, texts),
        ]
    parts.append(_inspect(message, texts))
    parts.append(button("delete", "delete", "turn.delete"))
    return f"<footer>{''.join(parts)}{_figures(message, texts, named=named)}{_reason(message, texts)}</footer>"


def _versions(turn: Turn, texts: Texts) -> str:
    """Which version of how many this is, with arrows to the others."""
    if len(turn.siblings) < 2:
        return ""
    at = turn.siblings.index(turn.message.id)
    arrows = []
    for name, to in (("earlier", at - 1), ("later", at + 1)):
        target = turn.siblings[to] if 0 <= to < len(turn.siblings) else ""
        arrow = icon_button(name, texts(f"turn.{name}"), do="show", id=target)
        arrows.append(arrow if target else arrow.replace("<button", "<button disabled", 1))
    return f'<span class="versions">{arrows[0]}<span>{at + 1}/{len(turn.siblings)}</span>{arrows[1]}</span>'


def _thumb(message: Message, value: int, texts: Texts) -> str:
    name = "good" if value > 0 else "bad"
    pressed = message.thumb == value
    button = icon_button(name, texts(f"turn.{name}"), do="judge", id=message.id, thumb=str(0 if pressed else value))
    return button.replace("<button", f'<button aria-pressed="{str(pressed).lower()}"', 1)


def _reason(message: Message, texts: Texts) -> str:
    if not message.thumb:
        return ""
    label = texts("turn.reason")
    return (
        f'<input class="reason" data-reason="{message.id}" data-thumb="{message.thumb}" maxlength="1000" '
        f'aria-label="{label}" placeholder="{label}" value="{escape(message.reason)}">'
    )


def _inspect(message: Message, texts: Texts) -> str:
    label = texts("turn.inspect")
    link = f'href="/inspect?message={message.id}" target="_blank" rel="noopener"'
    return f'<a class="icon" {link} aria-label="{label}" title="{label}">{icon("inspect")}</a>'


def _figures(message: Message, texts: Texts, *, named: bool) -> str:
    """The model, tokens used, context left, tokens a second, time to the first."""
    figures = [escape(message.model)] if named and message.role == "assistant" else []
    prompt, reply = message.prompt_tokens, message.completion_tokens
    if prompt is not None and reply is not None:
        figures.append(texts("turn.tokens", prompt=f"{prompt:,}", reply=f"{reply:,}"))
        if context := message.sampling.get("context"):
            figures.append(texts("turn.left", tokens=f"{max(0, context - prompt - reply):,}"))
        figures += _speed(message, texts, tokens=reply)
    return f'<span class="figures">{" · ".join(figures)}</span>' if figures else ""


def _speed(message: Message, texts: Texts, *, tokens: int) -> list[str]:
    first, seconds = message.seconds_to_first, message.seconds
    if first is None or seconds is None:
        return []
    shown = [texts("turn.first", seconds=f"{first:.2f}")]
    if seconds > first and tokens > 1:
        shown.insert(0, texts("turn.rate", rate=f"{(tokens - 1) / (seconds - first):.1f}"))
    return shown


def _left_out(messages: list[Message]) -> int:
    replies = [message for message in messages if message.role == "assistant"]
    return int(replies[-1].sampling.get("left_out", 0)) if replies else 0


def _left_out_notice(messages: list[Message], count: int, texts: Texts) -> str:
    last = next(message for message in reversed(messages) if message.role == "assistant")
    context = f"{last.sampling.get('context') or 0:,}"
    words = texts("turn.left_out", count=count, context=context, model=escape(last.model))
    return f'<p class="notice" role="status">{words}</p>'
