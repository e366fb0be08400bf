"""The page behind a share link: a conversation to read, without a single script."""

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from serve.chat.context import Context
from serve.chat.language import Texts, choose
from serve.chat.store import shares
from serve.chat.store.access import NotFoundError
from serve.chat.theme import ASSETS
from serve.chat.turn_html import turn_html

_PAGE = """\
<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>{style}</style>
<body class="standalone">
<main>
<header><h1>{title}</h1><p>{note}</p></header>
<div class="turns">
{turns}
</div>
</main>
</body>
</html>
"""


def share_page(context: Context, request: Request) -> Response:
    """The branch that the link's token names, or a page that says that there is none."""
    texts = choose(request.headers)
    try:
        branch = shares.shared(context.engine, request.query_params.get("t", ""))
    except NotFoundError:
        return plain_page(texts, title="Chaku", note=texts("share.gone"), body="", status=404)
    url = context.endpoint.base_url
    turns = "\n".join(turn_html(turn, texts, base_url=url, is_shared=True) for turn in branch.turns)
    title = branch.conversation.title or texts("page.untitled")
    return plain_page(texts, title=title, note=texts("share.read_only"), body=turns)


def plain_page(texts: Texts, *, title: str, note: str, body: str, status: int = 200) -> Response:
    """A page of this app's looks that holds no script. `title` and `note` are escaped here, `body` is HTML."""
    style = "".join((ASSETS / name).read_text(encoding="utf-8") for name in ("standalone.css", "turns.css"))
    page = _PAGE.format(
        language=texts.language, title=escape(title), note=escape(note), turns=body, style=style.replace("</", "<\\/")
    )
    return HTMLResponse(page, status_code=status)
