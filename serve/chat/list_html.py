"""The side bar's list of conversations as HTML."""

from collections.abc import Sequence
from html import escape

from serve.chat.icons import icon_button
from serve.chat.language import Texts
from serve.chat.store.tables import Conversation


def list_html(conversations: Sequence[Conversation], texts: Texts, *, search: str) -> str:
    """The conversations, each a link with what can be done to it."""
    if not conversations:
        return f'<p class="nothing">{texts("page.no_match" if search else "page.none_yet")}</p>'
    return f"<ul>{''.join(_entry(each, texts) for each in conversations)}</ul>"


def _entry(conversation: Conversation, texts: Texts) -> str:
    title = escape(conversation.title or texts("page.untitled"))
    pinned = conversation.is_pinned
    actions = [
        icon_button("pin", _named(texts, "list.unpin" if pinned else "list.pin", title), do="pin", id=conversation.id),
        icon_button("edit", _named(texts, "list.rename", title), do="rename", id=conversation.id),
        icon_button("delete", _named(texts, "list.delete", title), do="remove", id=conversation.id),
    ]
    return (
        f'<li data-conversation="{conversation.id}"{" data-pinned" if pinned else ""}>'
        f'<a href="/?c={conversation.id}" title="{title}">{title}</a><span>{"".join(actions)}</span></li>'
    )


def _named(texts: Texts, key: str, title: str) -> str:
    return texts(key).replace("{title}", title)
