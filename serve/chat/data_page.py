"""The data page: conversations as training data, marked, exported and imported in the browser."""

import asyncio
import tempfile
from html import escape
from pathlib import Path
from time import gmtime, strftime
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from data_tools.plain import json_line
from data_tools.records import Branches
from data_tools.wording import in_words
from serve.chat.context import Context
from serve.chat.imports import import_dumps
from serve.chat.language import Texts, choose
from serve.chat.standalone import scripted_page
from serve.chat.store.overview import MARKS, Row, mark_for_training, overview
from serve.chat.training_data import export
from templates import InputError

_LARGEST_UPLOAD = 512 << 20
_MOST_AT_ONCE = 1000
_MOST_ROWS = 500


async def data_page(context: Context, request: Request, *, owner: str) -> Response:
    """The page with the conversations that its filters (`q`, `mark`, `judged`) let pass."""
    texts, chosen = choose(request.headers), request.query_params
    search, mark, judged = chosen.get("q", "")[:200], chosen.get("mark", ""), bool(chosen.get("judged"))
    rows = await asyncio.to_thread(
        overview, context.engine, owner, search=search, mark=mark, judged=judged, limit=_MOST_ROWS + 1
    )
    found = texts("data.found", count=len(rows))
    if len(rows) > _MOST_ROWS:
        rows, found = rows[:_MOST_ROWS], texts("data.found_newest", count=_MOST_ROWS)
    return scripted_page(
        "data",
        texts,
        search=escape(search),
        marks="".join(_option(name, texts, is_chosen=name == mark) for name in ("", *MARKS)),
        checked=" checked" if judged else "",
        rows="".join(_row(row, texts) for row in rows),
        found=escape(found),
    )


async def mark(context: Context, *, owner: str, body: dict[str, Any]) -> Response:
    """Mark conversations. Raises ValueError for what is no mark, NotFoundError for another's conversation."""
    ids, name = body.get("ids"), body.get("mark")
    if name not in MARKS or not isinstance(ids, list) or len(ids) > _MOST_AT_ONCE:
        raise ValueError("no mark")
    await asyncio.to_thread(mark_for_training, context.engine, owner, [str(one) for one in ids], name)
    return JSONResponse({})


async def download(context: Context, request: Request, *, owner: str) -> Response:
    """An export of a person's own chats as a file, and in a header what became of them.

    Raises ValueError for a form that there is not.
    """
    asked, texts = request.query_params, choose(request.headers)
    form, only_marked = asked.get("to", ""), bool(asked.get("marked"))
    branches: Branches = "all" if asked.get("all") else "main"
    try:
        made = await asyncio.to_thread(
            export, context.engine, to=form, owner=owner, only_marked=only_marked, branches=branches
        )
    except InputError as error:
        raise ValueError(str(error)) from error
    left_out = in_words(made.left_out) if made.left_out else "0"
    if not made.rows:
        return JSONResponse({"error": texts("data.nothing", left_out=left_out)}, status_code=404)
    headers = {
        "content-disposition": f'attachment; filename="chats-{form}.jsonl"',
        "cache-control": "no-store",
        "x-chaku-said": quote(texts("data.exported", count=len(made.rows), left_out=left_out)),
    }
    lines = "".join(map(json_line, made.rows))
    return Response(lines, media_type="application/jsonl", headers=headers)


async def upload(context: Context, request: Request, *, owner: str) -> Response:
    """A dump from the browser; says how many conversations came in, or what is wrong with it."""
    texts = choose(request.headers)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dump"  # what it is, its content says
        size = 0
        with path.open("wb") as file:
            async for piece in request.stream():
                size += len(piece)
                if size > _LARGEST_UPLOAD:
                    return JSONResponse({"error": texts("data.too_large")}, status_code=413)
                file.write(piece)
        try:
            done = await asyncio.to_thread(import_dumps, context.engine, [path], owner=owner)
        except InputError as error:
            return JSONResponse({"error": str(error).replace(str(path), texts("data.the_file"))}, status_code=400)
    left_out = in_words(done.left_out) if done.left_out else "0"
    counts = {"count": done.conversations, "branches": done.branches, "kept": done.kept, "turns": done.turns}
    return JSONResponse({"said": texts("data.imported", **counts, left_out=left_out)})


def _option(name: str, texts: Texts, *, is_chosen: bool) -> str:
    label = escape(texts(f"data.{name}" if name else "data.any"))
    return f'<option value="{name}"{" selected" if is_chosen else ""}>{label}</option>'


def _row(row: Row, texts: Texts) -> str:
    one = row.conversation
    now = next(name for name, value in MARKS.items() if value is one.for_training)
    title, label = escape(one.title or texts("page.untitled")), escape(texts("data.mark"))
    buttons = "".join(
        f'<button type="button" data-mark="{name}" data-id="{one.id}" aria-pressed="{str(name == now).lower()}">'
        f"{escape(texts(f'data.{name}'))}</button>"
        for name in MARKS
    )
    date = strftime("%Y-%m-%d", gmtime(one.updated))
    cells = (escape(one.model), date, row.messages, row.good, row.bad, row.corrections)
    return (
        f'<tr><th scope="row"><a href="/?c={one.id}">{title}</a></th>{"".join(f"<td>{cell}</td>" for cell in cells)}'
        f'<td><span class="marks" role="group" aria-label="{label}: {title}">{buttons}</span></td></tr>'
    )
