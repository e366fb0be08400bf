"""The page: whole, quiet, and deaf to what its conversation says."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from templates import Conversation, InputError, Message
from templates.preview import Preview, Span, example, preview
from templates.preview_html import to_html, write_html
from tests.templates.kinds import encoder_for

PAYLOADS = (
    "<script>window.hit=1</script>",
    "</span></p><img src=http://127.0.0.1:9/x onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "' autofocus onfocus=window.hit=1 tabindex=1 x='",
    "</style></title><iframe src=javascript:parent.hit=1></iframe>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "<link rel=stylesheet href=http://127.0.0.1:9/x.css><style>@import 'http://127.0.0.1:9/y.css';</style>",
    "<base href=http://127.0.0.1:9/><a href='javascript:window.hit=1' ping=http://127.0.0.1:9/>x</a>",
    "<!-- --!> <![CDATA[ ]]> &lt;script&gt; &#60;script&#62; \u2028 \x00 \ud83d",
)


def hostile(payload: str) -> Preview:
    """A payload in every field; real tokens first, then spans as a hostile tokenizer might spell them."""
    conversation = Conversation(
        id=payload,
        messages=tuple(Message(role=role, content=payload) for role in ("system", "user", "assistant")),
        source=f"{payload}#0",
    )
    shown = preview(encoder_for("vicuna_v1.1", "smollm2"), conversation)
    whole = [Span(payload, (1, 2), kind, is_control=True) for kind in ("control", "context", "supervised")]
    return Preview(
        template=payload, conversation=conversation, turns=[*shown.turns[:2], [*shown.turns[2], *whole]],
        rejected={2: payload.encode(errors="replace").decode()},
    )  # fmt: skip


def test_each_token_has_its_ids_and_kind() -> None:
    shown = preview(encoder_for("chatml", "smollm2"), example())
    page = to_html(shown)
    titles = re.findall(r'<span class="token ([a-z ]+)" title="([\d, ]+) (\w+)" data-ids="\2">', page)
    assert [ids for _, ids, _ in titles] == [
        ", ".join(map(str, span.ids)) for turn in shown.turns for span in turn
    ]  # fmt: skip
    assert ("supervised control", "2", "supervised") in titles
    assert all(line in page for line in shown.totals())
    assert [f"<h2>{turn} {message.role}</h2>" in page for turn, message in enumerate(example().messages)] == [True] * 4


def test_a_reply_that_is_not_taught_is_named() -> None:
    conversation = Conversation(
        id="a", messages=(Message(role="user", content="a"), Message(role="assistant", content=" "))
    )
    assert "not taught: empty_reply</small>" in to_html(preview(encoder_for("chatml", "smollm2"), conversation))


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    shown = preview(encoder_for("chatml", "smollm2"), example())
    write_html(shown, tmp_path / "look.html")
    assert (tmp_path / "look.html").read_text(encoding="utf-8") == to_html(shown)
    for unwritable in (tmp_path / "nowhere" / "look.html", tmp_path):
        with pytest.raises(InputError, match=r"--html .*: cannot be written"):
            write_html(shown, unwritable)
    assert [path.name for path in tmp_path.iterdir()] == ["look.html"]


@pytest.mark.browser
@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_of_the_data_runs_or_loads(payload: str, chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "look.html"
    write_html(hostile(payload), path)
    page = chromium.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(path.as_uri())
    page.keyboard.press("Tab")
    assert requests == [path.as_uri()]
    assert complaints == [], "the page's policy had nothing to forbid: the payload was text"
    assert page.evaluate("window.hit") is None
    assert page.locator("img, svg, iframe, script, link, base, a, [onfocus]").count() == 0
    assert page.locator("meta").count() == 3
    assert page.locator("style").count() == 1
    page.close()


@pytest.mark.browser
def test_the_policy_stops_a_script_even_where_escaping_failed(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "look.html"
    shown = preview(encoder_for("chatml", "smollm2"), example())
    path.write_text(
        to_html(shown).replace("<section>", f"{PAYLOADS[0]}{PAYLOADS[1]}<section>", 1), encoding="utf-8"
    )  # fmt: skip
    page = chromium.new_page()
    requests: list[str] = []
    page.on("requestfinished", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    assert page.evaluate("window.hit") is None
    assert requests == [path.as_uri()]
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_a_phone_in_light_and_dark(scheme: str, chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "look.html"
    write_html(preview(encoder_for("chatml", "smollm2"), example()), path)
    page = chromium.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(253, 252, 249)", "dark": "rgb(27, 24, 21)"}[scheme]
    page.close()


@pytest.mark.browser
def test_letters_of_several_tokens_join_as_in_plain_text(chromium: Browser, tmp_path: Path) -> None:
    path, text = tmp_path / "look.html", "السلام عليكم"
    conversation = Conversation(id="", messages=(Message(role="user", content=text),))
    shown = preview(encoder_for("vicuna_v1.1", "smollm2"), conversation)
    assert sum(span.text.strip() in text for span in shown.turns[0]) > 4
    write_html(shown, path)
    page = chromium.new_page()
    page.goto(path.as_uri())
    widths = """() => {
        const line = document.querySelector(".tokens"), range = document.createRange();
        const width = () => { range.selectNodeContents(line); return range.getBoundingClientRect().width; };
        line.style.whiteSpace = "pre";
        line.style.display = "inline-block";
        const split = width();
        line.textContent = line.textContent;
        return [split, width()];
    }"""
    split, plain = page.evaluate(widths)
    assert split == pytest.approx(plain, abs=0.5)
    page.close()
