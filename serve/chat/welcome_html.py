"""What the page shows before anything is said, and the page of keyboard shortcuts."""

from html import escape

from serve.chat.language import NAMES, Texts

_KEYS = (
    ("Enter", "keys.enter"),
    ("Shift + Enter", "keys.shift_enter"),
    ("Esc", "keys.escape"),
    ("Alt + N", "keys.new"),
    ("Alt + S", "keys.search"),
    ("Alt + E", "keys.edit"),
    ("?", "keys.help"),
)


def welcome_html(texts: Texts, *, is_known: bool) -> dict[str, str]:
    """The parts of an opened page that the script puts in their places."""
    return {
        "welcome": _welcome(texts),
        "shortcuts": _shortcuts(texts),
        "share": _share(texts),
        "foot": _foot(texts, is_known=is_known),
        "model": texts("page.model"),
    }


def _welcome(texts: Texts) -> str:
    examples = (texts(f"page.example_{n}") for n in range(1, 5))
    buttons = "".join(f'<button type="button" data-do="example">{escape(text)}</button>' for text in examples)
    return f'<div class="welcome"><h2>{texts("page.welcome")}</h2><div class="examples">{buttons}</div></div>'


def _shortcuts(texts: Texts) -> str:
    rows = "".join(f"<dt><kbd>{key}</kbd></dt><dd>{texts(text)}</dd>" for key, text in _KEYS)
    close = f'<button type="button" data-do="close">{texts("page.close")}</button>'
    return f"<h2>{texts('page.shortcuts')}</h2><dl>{rows}</dl>{close}"


def _share(texts: Texts) -> str:
    title, close = texts("share.title"), f'<button type="button" data-do="close">{texts("page.close")}</button>'
    revoke = f'<button type="button" data-do="revoke">{texts("share.revoke")}</button>'
    return f'<h2>{title}</h2><p>{texts("share.explain")}</p><input readonly aria-label="{title}">{revoke}{close}'


def _foot(texts: Texts, *, is_known: bool) -> str:
    """Under the list: the arena, the data page, the other language, the shortcuts, and the way out."""
    others = [
        f'<button type="button" data-do="language" data-id="{code}" lang="{code}">{name}</button>'
        for code, name in NAMES.items()
        if code != texts.language
    ]
    keys = f'<button type="button" data-do="help">{texts("page.shortcuts")}</button>'
    out = f'<a href="/logout">{texts("page.log_out")}</a>' if is_known else ""
    arena = f'<a href="/arena">{texts("arena.title")}</a>'
    data = f'<a href="/data">{texts("data.title")}</a>'
    return "".join((arena, data, *others, keys, out))
