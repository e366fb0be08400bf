"""What the chat page's buttons do to a conversation; the page's layout is in `serve.chat.page`."""

import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from serve.chat.stream import ChatMessage, Endpoint, Reply, Settings, explain

_log = logging.getLogger(__name__)

# All but letters, digits, spaces inside a line, and the punctuation of prose (a dot after a digit begins a list).
_MARKUP = re.compile(r"(?![,;?'\"]|(?<=[^\W\d_])[.!](?=\s|$))[^\w ]|_|(?<![^\s]) | (?=\s|$)")


@dataclass(frozen=True)
class Progress:
    """A moment of a running turn. `history` is what the next request would send; `draft` is text to type again."""

    history: list[ChatMessage]
    is_running: bool
    notice: str = ""
    draft: str = ""


class Turns:
    """Runs the replies of all open pages, one at a time for each page."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._replies: dict[str, Reply] = {}

    async def send(
        self, page: str, history: list[ChatMessage], text: str, settings: Settings
    ) -> AsyncIterator[Progress]:
        """Answer a message. If nothing of a reply arrives, the message comes back as the draft."""
        if not text.strip() or page in self._replies:
            return
        question = ChatMessage(role="user", content=text)
        fallback = Progress(history, is_running=False, draft=text)
        async for progress in self._reply(page, [*history, question], settings, fallback):
            yield progress

    async def regenerate(self, page: str, history: list[ChatMessage], settings: Settings) -> AsyncIterator[Progress]:
        """Replace the last reply. If nothing of a new one arrives, the old one stays."""
        if not history or page in self._replies:
            return
        asked = history[:-1] if history[-1]["role"] == "assistant" else history
        async for progress in self._reply(page, asked, settings, Progress(history, is_running=False)):
            yield progress

    def stop(self, page: str) -> None:
        """Stop a page's reply, if one is running."""
        if page in self._replies:
            self._replies[page].stop()

    async def _reply(
        self, page: str, asked: list[ChatMessage], settings: Settings, fallback: Progress
    ) -> AsyncIterator[Progress]:
        yield Progress(asked, is_running=True)
        reply = self._replies[page] = self._endpoint.reply(asked, settings)
        notice = ""
        try:
            async for text in reply.snapshots():
                if text.strip():
                    yield Progress(_with_reply(asked, text), is_running=True)
        except Exception as error:  # whatever a server of someone else's does, the page stays usable
            _log.warning("a reply failed: %r", error)
            notice = explain(error, base_url=self._endpoint.base_url, has_begun=bool(reply.text.strip()))
        finally:
            del self._replies[page]
            if not reply.is_over:  # the page was closed in the middle
                reply.stop()
        yield _outcome(reply, asked, notice, fallback)


def _outcome(reply: Reply, asked: list[ChatMessage], notice: str, fallback: Progress) -> Progress:
    if not reply.text.strip():
        if not notice and not reply.is_stopped:
            notice = "The model ended its reply without a word. Send again, or raise the temperature."
        return Progress(fallback.history, is_running=False, notice=notice, draft=fallback.draft)
    if reply.finish_reason == "length":
        notice = "The reply reached its greatest length. Raise max tokens in the settings, or ask the model to go on."
    return Progress(_with_reply(asked, reply.text), is_running=False, notice=notice)


def _with_reply(asked: list[ChatMessage], text: str) -> list[ChatMessage]:
    return [*asked, ChatMessage(role="assistant", content=text)]


def shown(history: list[ChatMessage]) -> list[ChatMessage]:
    r"""The conversation for Gradio's Chatbot: replies as markdown, the user's words as they were typed.

    >>> shown([{"role": "user", "content": "*a* b"}, {"role": "assistant", "content": "\n **c**"}])
    [{'role': 'user', 'content': '&#42;a&#42; b'}, {'role': 'assistant', 'content': '**c**'}]
    """
    return [
        ChatMessage(
            role=message["role"],
            content=as_plain(message["content"]) if message["role"] == "user" else message["content"].lstrip(),
        )
        for message in history
    ]


def as_plain(text: str) -> str:
    """Text that markdown shows as it is: every character that could be markup becomes a character reference.

    Line breaks and spaces at their side become references too, since markdown folds them; the page's style keeps them.
    Plain punctuation stays, because the page also reads the text out to screen readers as it stands.
    """
    return _MARKUP.sub(lambda match: f"&#{ord(match.group())};", text)
