"""The same preview as one page: no script, no network, nothing of the data read as markup."""

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from templates.errors import InputError
from templates.preview import ENGLISH, Preview, Span, heading_of
from templates.visible import visible

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; --paper: #fdfcf9; --card: #fff; --ink: #2b2622; --dim: #6d6258; --line: #d9cfc2;
  --control: #7a2ee6; --control-paper: #f1e8ff; --taught: #17603a; --taught-paper: #dff2e6; --warn: #8a4f00; }
@media (prefers-color-scheme: dark) { :root { --paper: #1b1815; --card: #221e1a; --ink: #ece5dc; --dim: #b0a293;
  --line: #4a423a; --control: #cba6ff; --control-paper: #33254a; --taught: #8be0ae; --taught-paper: #1c3526;
  --warn: #f0b354; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.6 system-ui, sans-serif; -webkit-text-size-adjust: 100%; }
h1 { font-size: 1.25rem; overflow-wrap: anywhere; margin: 0 0 .5rem; }
h2 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
h2 small { color: var(--warn); font-weight: 600; margin-left: .5rem; }
.legend { color: var(--dim); margin: 0; }
.note { margin: .75rem 0 0; padding: .5rem .9rem; border-left: 3px solid var(--dim); background: var(--card);
  overflow-wrap: anywhere; }
.totals { margin: 1.75rem 0 0; padding: 0; list-style: none; font-weight: 600; }
.tokens { font: 14px/1.9 ui-monospace, "Noto Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere;
  tab-size: 4; margin: 0; padding: .6rem .9rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; }
/* an edge that takes no room, so that Arabic letters of two tokens still join */
.token { box-shadow: 1px 0 var(--line); }
.control { color: var(--control); background: var(--control-paper); border: 1px solid var(--control);
  border-radius: 3px; padding: 1px 2px 2px; }
.supervised { color: var(--taught); background: var(--taught-paper); font-weight: 600; text-decoration: underline;
  text-underline-offset: 3px; }
.supervised.control { border-color: var(--taught); }
.legend label { white-space: nowrap; }
body:has(#ids:checked) .token::after { content: attr(data-ids); margin: 0 .15em; color: var(--dim); font-weight: 400;
  font-size: .72em; display: inline-block; }
"""


def to_html(shown: Preview, *, notes: Sequence[str] = (), words: Mapping[str, str] = ENGLISH) -> str:
    """The page: notes, a heading a turn, each token with its ids (a tooltip, or all at once), a legend, the counts.

    `words` are what it says beside the data, under the keys of `ENGLISH`; none of them comes from the data.
    """
    heading = escape(heading_of(shown))
    return f"""<!doctype html>
<html lang="{words["language"]}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{heading}</h1>
<p class="legend">{_legend(words)}
<label><input type="checkbox" id="ids"> {words["show_ids"]}</label></p>
{"".join(f'<p class="note">{escape(note)}</p>' for note in notes)}
{"".join(_turn(shown, turn, words) for turn in range(len(shown.turns)))}
<ul class="totals">{"".join(f"<li>{escape(line)}</li>" for line in shown.totals(words))}</ul>
</main>
</body>
</html>
"""


def _legend(words: Mapping[str, str]) -> str:
    samples = (
        Span(words["control"], (), "control", True),
        Span(words["context"], (), "context", False),
        Span(words["supervised"], (), "supervised", False),
        Span(words["supervised_stop"], (), "supervised", True),
    )
    return words["legend"].format(kinds=" ".join(_token(sample, words) for sample in samples))


def write_html(shown: Preview, path: Path) -> None:
    """Write the page whole or not at all. Raises InputError where it cannot be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.write_text(to_html(shown), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"--html {path}: cannot be written ({error.strerror}); give another place") from error
    finally:
        temporary.unlink(missing_ok=True)


def _turn(shown: Preview, turn: int, words: Mapping[str, str]) -> str:
    role, rule = shown.conversation.messages[turn].role, shown.rejected.get(turn)
    note = f"<small>{words['not_taught'].format(rule=escape(rule))}</small>" if rule else ""
    tokens = "".join(_token(span, words) for span in shown.turns[turn]).removesuffix("\n")
    return f'<section>\n<h2>{turn} {words[role]}{note}</h2>\n<p class="tokens" dir="ltr">{tokens}</p>\n</section>\n'


def _token(span: Span, words: Mapping[str, str]) -> str:
    kinds = f"{span.kind} control" if span.is_control and span.kind != "control" else span.kind
    ids = ", ".join(map(str, span.ids))
    title = f' title="{ids} {words[span.kind]}" data-ids="{ids}"' if span.ids else ""
    text = visible(span.text)
    # the line breaks behind the token, so that its edge stands beside its last sign
    line_end = "\n" if text.endswith("\n") else ""
    return f'<span class="token {kinds}"{title}>{escape(text.removesuffix(line_end))}</span>{line_end}'
