"""Pages that Gradio has no part in: some to read, without a single script, and some with a script of their own."""

from html import escape
from string import Template

from starlette.responses import HTMLResponse, Response

from serve.chat.language import Texts
from serve.chat.theme import ASSETS

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


def plain_page(texts: Texts, *, title: str, note: str, body: str, status: int = 200) -> Response:
    """A page of this app's looks that holds no script. `title` and `note` are escaped here, `body` is HTML."""
    style = "".join((ASSETS / name).read_text(encoding="utf-8") for name in ("standalone.css", "turns.css"))
    page = _PAGE.format(
        language=texts.language, title=escape(title), note=escape(note), turns=body, style=style.replace("</", "<\\/")
    )
    return HTMLResponse(page, status_code=status)


def scripted_page(name: str, texts: Texts, **values: str) -> Response:
    """The page whose body is the asset ``NAME.html``, with ``NAME.js`` and ``NAME.css``.

    ``$what`` stands for the escaped text ``NAME.what``; `values` are HTML already.
    """
    said = {key: escape(text) for key, text in texts.under(name).items()}
    body = _asset(f"{name}.html").substitute(said, **values)
    frame = {key: escape(texts(f"page.{key}")) for key in ("back", "unreached")}
    page = _asset("scripted.html").substitute(said, **frame, name=name, language=texts.language, body=body)
    return HTMLResponse(page)


def _asset(name: str) -> Template:
    return Template((ASSETS / name).read_text(encoding="utf-8"))
