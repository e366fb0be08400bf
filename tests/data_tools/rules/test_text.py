import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.records import Record, Turn
from data_tools.rules.cleaner import clean_record, clean_text

ZWJ, ZWNJ = "\u200d", "\u200c"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("2 / 2I want a plan", "I want a plan"),
        ("2 / 2can it be factored?", "can it be factored?"),
        ("1 / 1\n\nsolve it", "solve it"),
        ("2 / 2我的", "我的"),
        ("1 / 1", ""),
        ("social networks.\n6 / 6", "social networks."),
        ("1 / 2 of people agree", "1 / 2 of people agree"),
        ("1 / 2x + 3 = 7", "1 / 2x + 3 = 7"),
        ("1 / 2.5 is what?", "1 / 2.5 is what?"),
        ("7 / 2I", "7 / 2I"),
        ("what is 1 / 2", "what is 1 / 2"),
        ("13/10/22, 5:13 PM] log", "13/10/22, 5:13 PM] log"),
        ("continueShare Prompt", "continue"),
        ("My landlord is Mr Osei.\n\ncontinueShare Prompt", "My landlord is Mr Osei."),
        ("finish it\nShare Prompt", "finish it"),
        ("How do I write a Share Prompt button?", "How do I write a Share Prompt button?"),
        ("A tagline.\n\nCopy120 chars / 20 words", "A tagline."),
        ("glsl\nCopy code\nfloat x;", "glsl\nfloat x;"),
        ("<b>bold</b> <div><p>is content</p></div>", "<b>bold</b> <div><p>is content</p></div>"),
        ("<div><p>user text is never HTML</p></div>", "<div><p>user text is never HTML</p></div>"),
        ("a\x00b\x02c\ufffe\r\nd\x0be", "abc\nd\ne"),
        ("\uf0b7\tone\n\uf0a7 two", "•\tone\n▪ two"),
        ("\ufeffa\u200bb\u00adc\u200ed", "abcd"),
        (f"👩{ZWJ}💻 می{ZWNJ}خواهم क्{ZWJ}ष", f"👩{ZWJ}💻 می{ZWNJ}خواهم क्{ZWJ}ष"),
        (f"感冒{ZWJ}了 a{ZWNJ}b", "感冒了 ab"),
        ("\u05e9\u200f!", "\u05e9\u200f!"),
        ("\ud83d\ude00 \ud83d end", "😀  end"),
        ("  \n tab\tstays \n", "tab\tstays"),
    ],
)
def test_user_turns(text: str, cleaned: str) -> None:
    assert clean_text(text, "user")[0] == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("<div><p>1 / 1</p></div>", "1 / 1"),
        ("\u200b<div><p>a&#2;b&nbsp;</p></div>Copy20 chars / 4 words", "ab"),
        ("<div><p>Go on.</p></div>\n\ncontinueShare Prompt", "Go on."),
        ("```swiftCopy code\nlet a = 1\n```", "```swift\nlet a = 1\n```"),
        ("Use `<div>` here.", "Use `<div>` here."),
    ],
)
def test_replies(text: str, cleaned: str) -> None:
    assert clean_text(text, "assistant")[0] == cleaned


def test_changes_are_counted_by_rule() -> None:
    turns = [Turn(0, "user", "1 / 1\nHi\x00"), Turn(1, "assistant", "<div><p>Hello</p></div>"), Turn(2, "user", "Bye")]
    counts = clean_record(Record("a", "a.json", 0, turns))
    assert counts == {"variant_counter": 1, "control_characters": 1, "html_reply": 1, "outer_whitespace": 1}
    assert [turn.text for turn in turns] == ["Hi", "Hello", "Bye"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Too many requests in 1 hour. Try again later.", "refused_by_interface"),
        ("<div><p>network error</p></div>", "refused_by_interface"),
        ("You may see: Too many requests in 1 hour. Try again later.", ""),
        ("A network error can have many causes.", ""),
    ],
)
def test_errors_of_the_page_are_no_replies(text: str, rule: str) -> None:
    turns = [Turn(0, "assistant", text)]
    clean_record(Record("a", "a.json", 0, turns))
    assert turns[0].rule == rule


TAGS = ["<div>", "</div>", "<p>", "</p>", "<pre>", "<code>", "</code></pre>", "<li>", "<ul>", "</ul>", "<b>", "</b>"]
DEBRIS = ["1 / 1", "2 / 3", "Share Prompt", "continue", "Copy code", "Copy12 chars / 3 words", "&lt;div&gt;", "```"]
ODD = [ZWJ, ZWNJ, "👩", "\u200b", "\x00", "\r", "\ud83d", "\ude00", "\uf0b7", "&lt;/div&gt;", "&#x200b;", "`"]
PARTS = st.sampled_from([*TAGS, *DEBRIS, *ODD, "\n", " ", "I want", "é", "x"])


@given(st.lists(PARTS, max_size=12).map("".join) | st.text(max_size=60), st.sampled_from(["user", "assistant"]))
def test_cleaning_twice_is_cleaning_once(text: str, role: str) -> None:
    once, _ = clean_text(text, role)  # type: ignore[arg-type]
    assert clean_text(once, role) == (once, set())  # type: ignore[arg-type]


def test_real_text_is_clean_after_one_pass(shared_data: Path) -> None:
    for name in ("sharegpt/sharegpt_508.json", "sharegpt_html/sharegpt90k_raw_4.json"):
        for record in json.loads((shared_data / name).read_text()):
            for turn in record["conversations"]:
                role = "assistant" if turn["from"] == "gpt" else "user"
                once, changed = clean_text(turn["value"], role)  # type: ignore[arg-type]
                assert clean_text(once, role) == (once, set())  # type: ignore[arg-type]
                assert changed or once == turn["value"]
