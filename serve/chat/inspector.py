"""The inspector: the exact prompt of a reply, token by token, and whether the server reads it as the trainer does."""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from pathlib import Path

import openai
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from serve.chat.context import Context
from serve.chat.language import Texts, choose
from serve.chat.standalone import plain_page
from serve.chat.store import conversations, messages
from serve.chat.store.tables import Message
from serve.chat.stream import ChatMessage, with_system
from serve.chat.training_data import is_taught
from serve.parity import first_difference, reason_for
from templates import Conversation, Encoder, InputError, RenderError
from templates import Message as Said
from templates.conversation import as_messages

_AROUND = 8


async def inspect_page(context: Context, request: Request, *, owner: str) -> Response:
    """The page of one message. Raises NotFoundError for another's as for an absent one."""
    target, texts = request.query_params.get("message", ""), choose(request.headers)
    path = await asyncio.to_thread(messages.before, context.engine, owner, target)
    conversation = await asyncio.to_thread(conversations.get, context.engine, owner, path[-1].conversation)
    turns = turns_of(path, system=conversation.system)
    asked = turns[:-1] if turns[-1]["role"] == "assistant" else turns
    try:
        model = path[-1].model or conversation.model or await context.endpoint.model()
        directory = await context.endpoint.directory(model)
        theirs = await context.endpoint.prompt_ids(asked, model)
    except openai.OpenAIError:
        directory, theirs = None, None
    title = conversation.title or texts("page.untitled")
    if directory is None:
        return _without_directory(texts, title, theirs)
    shown = Conversation(id=title, messages=tuple(_as_taught(turns, path)))
    try:
        return HTMLResponse(await asyncio.to_thread(_tokens_page, shown, str(directory), asked, theirs, texts))
    except InputError as error:
        return plain_page(texts, title=title, note=str(error), body="", status=500)


def turns_of(path: Sequence[Message], *, system: str) -> list[ChatMessage]:
    """The conversation as it was sent: the system prompt first, without the turns that had no room any more."""
    return with_system(system, [ChatMessage(role=each.role, content=each.content) for each in _sent(path)])


def _sent(path: Sequence[Message]) -> Sequence[Message]:
    return path[int(path[-1].sampling.get("left_out") or 0) :]


def _as_taught(turns: Sequence[ChatMessage], path: Sequence[Message]) -> list[Said]:
    """The turns, with the replies marked that an export would keep from being taught."""
    sent = _sent(path)
    flags = [None] * (len(turns) - len(sent)) + [None if is_taught(each) else False for each in sent]
    said = as_messages(turns)
    return [Said(role=one.role, content=one.content, train=flag) for one, flag in zip(said, flags, strict=True)]


def _tokens_page(
    shown: Conversation, directory: str, asked: Sequence[ChatMessage], theirs: Sequence[int] | None, texts: Texts
) -> str:
    from templates.preview import preview
    from templates.preview_html import to_html

    encoder = _encoder(directory)
    untaught = [texts("inspect.untaught")] if shown.messages[-1].train is False else []
    notes = [*_parity(encoder, asked, theirs, texts), *untaught]
    return to_html(preview(encoder, shown), notes=notes, words=texts.under("preview"))


def _parity(encoder: Encoder, asked: Sequence[ChatMessage], theirs: Sequence[int] | None, texts: Texts) -> list[str]:
    """Whether the server's ids are the trainer's; where they are not, the first that differ on each side, and why."""
    if theirs is None:
        return [texts("inspect.no_tokenize")]
    try:
        ours = encoder.encode_prompt(list(asked))
    except RenderError as error:
        return [str(error)]
    at = first_difference(ours, theirs)
    if at is None:
        return [texts("inspect.same", tokens=f"{len(ours):,}")]
    parts = {"before": ours[max(0, at - _AROUND) : at]} if at else {}
    parts |= {"ours": ours[at : at + _AROUND], "theirs": list(theirs[at : at + _AROUND])}
    reason = reason_for(encoder, as_messages(list(asked)), ours, theirs, words=texts.under("parity"))
    told = [texts(f"inspect.{name}", tokens=_told(encoder, ids)) for name, ids in parts.items()]
    return [texts("inspect.differs", at=at, reason=reason), *told]


def _told(encoder: Encoder, ids: Sequence[int]) -> str:
    """Some tokens, each as its text and its id; one that the trainer's tokenizer has not has no text."""
    return ", ".join(f"{encoder.decode([each])!r} {each}" for each in ids) or "-"


@lru_cache(maxsize=4)
def _encoder(directory: str) -> Encoder:
    from templates.loading import load_encoder

    return load_encoder("tokenizer", Path(directory))


def _without_directory(texts: Texts, title: str, theirs: Sequence[int] | None) -> Response:
    """What can be shown where the model's files are out of reach: the ids that the server tells, if it does."""
    if theirs is None:
        return plain_page(texts, title=title, note=texts("inspect.nothing"), body="")
    ids = escape(" ".join(map(str, theirs)))
    note = texts("inspect.no_directory", tokens=f"{len(theirs):,}")
    return plain_page(texts, title=title, note=note, body=f"<pre>{ids}</pre>")
