"""What the rules that are off by default do, and that no text makes cleaning slow or restless."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_tools.records import Record, Turn
from data_tools.rules.blocked import BlockList, read_phrases
from data_tools.rules.cleaner import clean_record, clean_text
from data_tools.rules.config import Rules
from data_tools.rules.text import RULES
from templates import InputError, Role

ALL_ON = Rules(text=tuple((rule.name, rule.roles) for rule in RULES))
SPEAKERS: tuple[Role, ...] = ("user", "assistant")
KEY = "sk-" + "a1B2" * 12


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("donâ€™t, itâ€™s â‚¬5", "don’t, it’s €5"),
        ("à la carte – € 5", "à la carte – € 5"),
        ("cafe\u0301", "café"),
        ("Mail a.b+c@example.co.uk.", "Mail [email]."),
        ("git clone git@example.com:a/b; npm i x@1.2.3; @home", "git clone git@example.com:a/b; npm i x@1.2.3; @home"),
        ("+1 212 555 0147, 212-555-0147 or 13912345678", "[phone], [phone] or [phone]"),
        ("2024-11-23 10:11:12, 192.168.10.10, 1700000000000", "2024-11-23 10:11:12, 192.168.10.10, 1700000000000"),
        (f'key = "{KEY}"', 'key = "[key]"'),
        ("sk-short and skip-this-and-that-and-so-on-for-long", "sk-short and skip-this-and-that-and-so-on-for-long"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE+/=\n-----END RSA PRIVATE KEY-----", "[key]"),
    ],
)
def test_rules_that_are_off_by_default(text: str, cleaned: str) -> None:
    assert clean_text(text, "user", ALL_ON)[0] == cleaned
    assert clean_text(text, "user")[0] == text


@pytest.mark.parametrize(
    ("phrase", "text", "held"),
    [
        ("as an AI", "Well, AS AN  ai I can.", True),
        ("as an AI", "It was an aid.", False),
        ("ass", "a class, an assembly", False),
        ("can't help", "I can’t help you", True),
        ("C++", "use C and D", False),
        ("C++", "use C++ here", True),
        ("作为人工智能", "您好，作为人工智能模型", True),
        ("作为人工智能", "作为人类", False),
    ],
)
def test_blocked_phrases_are_whole_words(phrase: str, text: str, held: bool) -> None:
    assert BlockList([phrase, "another phrase"]).find(text) == ([phrase] if held else [])


def test_a_phrase_without_a_word_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("fine\n:-)\n")
    with pytest.raises(InputError, match=r"list\.txt: the phrase ':-\)' has no letter or digit"):
        read_phrases(tmp_path / "list.txt")


def test_rejections_are_named_and_hits_counted_by_phrase() -> None:
    rules = replace(Rules(), too_short=3, too_long=20, blocked_phrases=("secret plan", "plan"))
    texts: list[tuple[Role, str]] = [
        ("user", "a secret plan"), ("assistant", "The secret plan!"), ("assistant", "ok"), ("assistant", ""),
        ("user", "x" * 21), ("system", "x" * 21),
    ]  # fmt: skip
    record = Record("a", "a.json", 0, [Turn(at, role, text) for at, (role, text) in enumerate(texts)])
    counts = clean_record(record, rules)
    assert [turn.rule for turn in record.turns] == ["", "blocked_phrase", "too_short", "", "too_long", ""]
    assert counts == {"blocked_phrase: secret plan": 1, "blocked_phrase: plan": 1}


@pytest.fixture(scope="module")
def real_texts(shared_data: Path) -> list[str]:
    naughty: list[str] = json.loads((shared_data / "text" / "big_list_of_naughty_strings.json").read_text())
    records = json.loads((shared_data / "sharegpt_html" / "sharegpt_508_as_html.json").read_text())[::25]
    return naughty + [turn["value"][:3000] for record in records for turn in record["conversations"][:4]]


@settings(max_examples=300, deadline=2000)
@given(st.data())
def test_mutated_real_text_comes_to_rest(real_texts: list[str], data: st.DataObject) -> None:
    first, second = (data.draw(st.sampled_from(real_texts)) for _ in range(2))
    at, to = (data.draw(st.integers(0, len(text))) for text in (first, second))
    text = first[:at] + data.draw(st.sampled_from(["", "<", "</div>", "<pre>", "\n1 / 1", "&lt;", "`"])) + second[to:]
    role = data.draw(st.sampled_from(SPEAKERS))
    for rules in (Rules(), ALL_ON):
        once, _ = clean_text(text, role, rules)
        assert clean_text(once, role, rules) == (once, set())


HOSTILE = [
    " Copy", "\n1 / 1 ", "Share Prompt ", "Share Prompt\n1 / 1\n", "a@", "123-", "sk-", "+1 23 ", "\u200d", "\ud83d",
    "e\u0301",
    "<pre>", "<b><i>", "<b a=1><p></p>", "<table><tr><td>", "<!--", '<p title="<!--">', "&lt;div&gt;", "<a", "`",
]  # fmt: skip


@pytest.mark.parametrize("part", HOSTILE)
def test_no_text_makes_it_slow(part: str) -> None:
    """A tenth of a megabyte takes hundredths of a second; anything quadratic in it would take minutes."""
    body = part * (100_000 // len(part))
    html = (f"<div>{body}</div>", f"<div><p>x</p>{body}</div>")
    for text, role in ((body, SPEAKERS[0]), *((text, SPEAKERS[1]) for text in html)):
        began = time.process_time()
        once, _ = clean_text(text, role, ALL_ON)
        assert time.process_time() - began < 3
        assert clean_text(once, role, ALL_ON)[0] == once


MARKUP = [
    "<p>", "</p>", "<ul><li>", "</li></ul>", "<pre><div>bash<button>Copy code</button></div><code>", "</code></pre>",
    '<span class="hljs-string">', "</span>", "<Button>", "<sVg>", "<!-- <span", "-->",
    '<img alt="<span>x">', "<code>", "</code>",
    "<strong>", "</strong>", "<br>", "a", " ", "  ", "\n", "\t", " \n ", "&amp;lt;",
    "&lt;p&gt;", "Copy code\n", "\u200b", "水\u200f",
]  # fmt: skip


@given(st.lists(st.sampled_from(MARKUP), max_size=30).map("".join))
@settings(deadline=1000)
def test_any_markup_is_cleaned_once_and_for_all(html: str) -> None:
    for text in (html, f"<div><p>{html}</p></div>"):
        cleaned, _ = clean_text(text, "assistant")
        assert clean_text(cleaned, "assistant") == (cleaned, set())
