"""The same preview as one page: no script, no network, nothing of the data read as markup."""

import os
from html import escape
from pathlib import Path

from templates.errors import InputError
from templates.preview import Preview, Span, counts_of, visible

_STYLE = """
:root { color-scheme: light dark; --paper: #fdfcf9; --ink: #2b2622; --dim: #75695e; --line: #e6ded3;
  --control: #8a3ffc; --taught: #1f6f43; --taught-paper: #e2f3e8; --warn: #9a5b00; }
@media (prefers-color-scheme: dark) { :root { --paper: #1b1815; --ink: #ece5dc; --dim: #a99b8c; --line: #3a342e;
  --control: #be95ff; --taught: #7fd6a2; --taught-paper: #1d3327; --warn: #f0b354; } }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.6 system-ui, sans-serif; }
h1 { font-size: 1.25rem; overflow-wrap: anywhere; } h2 { font-size: 1rem; margin: 1.75rem 0 .25rem; }
h2 small { color: var(--warn); font-weight: normal; } .legend, footer { color: var(--dim); }
.tokens { font: 14px/1.9 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid
  var(--line); padding-left: .9rem; }
.tokens span, .legend span { border-right: 1px solid var(--line); }
.control { color: var(--control); outline: 1px solid var(--control); outline-offset: -1px; border-radius: 3px; }
.supervised { color: var(--taught); background: var(--taught-paper); font-weight: 600; text-decoration: underline;
  text-underline-offset: 3px; }
"""


def to_html(shown: Preview, *, title: str) -> str:
    """The page: a heading a turn, each token with its ids as a tooltip, a legend and the counts."""
    kinds = "".join(f'<span class="{kind}">{kind}</span> ' for kind in ("control", "context", "supervised"))
    turns = "".join(
        f"<h2>{turn} {escape(message.role)}{_note(shown, turn)}</h2><p class=tokens>{''.join(map(_token, spans))}</p>"
        for turn, (message, spans) in enumerate(zip(shown.messages, shown.turns, strict=True))
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f"<p class=legend>tokens: {kinds}(a tooltip gives the id)</p>{turns}"
        f"<footer><p>{counts_of(shown)}</p></footer></body></html>\n"
    )


def write_html(shown: Preview, path: Path, *, title: str) -> None:
    """Write the page whole or not at all. Raises InputError where it cannot be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(to_html(shown, title=title), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"--html {path}: cannot be written ({error.strerror}); give another place") from error


def _note(shown: Preview, turn: int) -> str:
    return f" <small>not taught: {escape(shown.rejected[turn])}</small>" if turn in shown.rejected else ""


def _token(span: Span) -> str:
    ids = ", ".join(map(str, span.ids))
    return f'<span class="{span.kind}" title="{ids}">{escape(visible(span.text))}</span>'
