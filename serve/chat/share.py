"""The page behind a share link: a conversation to read, without a single script."""

from starlette.requests import Request
from starlette.responses import Response

from serve.chat.context import Context
from serve.chat.language import choose
from serve.chat.standalone import plain_page
from serve.chat.store import shares
from serve.chat.store.access import NotFoundError
from serve.chat.turn_html import turn_html


def share_page(context: Context, request: Request) -> Response:
    """The branch that the link's token names, or a page that says that there is none."""
    texts = choose(request.headers)
    try:
        branch = shares.shared(context.engine, request.query_params.get("t", ""))
    except NotFoundError:
        return plain_page(texts, title="Chaku", note=texts("share.gone"), body="", status=404)
    turns = "\n".join(turn_html(turn, texts, url_of=context.endpoint.url_of, is_shared=True) for turn in branch.turns)
    title = branch.conversation.title or texts("page.untitled")
    return plain_page(texts, title=title, note=texts("share.read_only"), body=turns)
