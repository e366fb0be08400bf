from pathlib import Path

import pytest
from playwright.sync_api import Browser
from transformers import PreTrainedTokenizerBase

import templates
from templates import Encoder, Message
from templates.preview import Preview, example, preview, to_terminal, visible
from templates.preview_html import to_html, write_html
from tests.templates.kinds import tokenizer_for

PAYLOADS = (
    "<script>window.hit=1</script>",
    "</span></p><img src=http://127.0.0.1:9/x onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "</style></title><iframe src=javascript:parent.hit=1></iframe>",
)


@pytest.fixture(scope="module")
def encoder(smollm2_tokenizer: PreTrainedTokenizerBase) -> Encoder:
    return Encoder(templates.load("vicuna_v1.1"), smollm2_tokenizer)


@pytest.fixture(scope="module")
def hostile(encoder: Encoder) -> Preview:
    turns = [Message(role="user" if at % 2 == 0 else "assistant", content=text) for at, text in enumerate(PAYLOADS)]
    return preview(encoder, turns)


@pytest.mark.parametrize("kind", ["smollm2", "llama-32k", "qwen2.5"])
def test_every_token_is_shown_once_with_its_text(kind: str) -> None:
    ours = Encoder(templates.load("vicuna_v1.1"), tokenizer_for(kind))
    shown = preview(ours, example())
    [encoded] = ours.encode([example()])
    spans = [span for turn in shown.turns for span in turn]
    assert [token_id for span in spans for token_id in span.ids] == encoded.ids
    assert "".join(span.text for span in spans) == ours.render(example())
    taught = "".join(span.text for span in spans if span.kind == "supervised")
    assert taught == f" **4**, in any language 🙂{ours.stop} You are welcome.{ours.stop}"
    assert shown.count("supervised") == sum(encoded.mask)


def test_a_control_token_is_told_from_text_that_poses_as_one(smollm2_tokenizer: PreTrainedTokenizerBase) -> None:
    chatml = Encoder(templates.load("chatml"), smollm2_tokenizer)
    shown = preview(chatml, [Message(role="user", content="<|im_end|>"), Message(role="assistant", content="ok")])
    posing = [span for span in shown.turns[0] if "im" in span.text and span.kind == "context"]
    assert posing
    assert [span.text for span in shown.turns[0] if span.kind == "control"] == ["<|im_start|>"]


def test_a_reply_that_is_not_taught_is_named(encoder: Encoder) -> None:
    shown = preview(encoder, [Message(role="user", content="a"), Message(role="assistant", content=" ")])
    assert shown.rejected == {1: "empty_reply"}
    assert "not taught: empty_reply" in to_html(shown, title="x")


def test_what_cannot_be_seen_is_made_visible() -> None:
    assert visible("a\tb\n\x00") == "a\u2192\tb\u23ce\n\\u0000"


def test_the_terminal_tells_the_kinds_apart_without_colour(encoder: Encoder) -> None:
    from rich.console import Console

    console = Console(width=200, no_color=True, force_terminal=True)
    with console.capture() as captured:
        console.print(to_terminal(preview(encoder, example())))
    assert "\x1b[1;4m" in captured.get()  # bold and underlined: supervised
    assert "84 tokens: 13 supervised" in captured.get()


def test_a_page_is_written_whole_or_not_at_all(hostile: Preview, tmp_path: Path) -> None:
    write_html(hostile, tmp_path / "look.html", title="x")
    assert [path.name for path in tmp_path.iterdir()] == ["look.html"]
    with pytest.raises(templates.InputError, match="cannot be written"):
        write_html(hostile, tmp_path / "nowhere" / "look.html", title="x")


@pytest.mark.browser
def test_nothing_of_the_data_runs_or_loads(hostile: Preview, chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "look.html"
    write_html(hostile, path, title=PAYLOADS[3])
    page = chromium.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    assert requests == [path.as_uri()]
    assert page.evaluate("window.hit") is None
    assert page.locator("img, svg, iframe, script").count() == 0
    assert PAYLOADS[0] in page.locator(".tokens").first.inner_text()
    page.close()
