"""FastChat's registry, entry by entry: the templates, and the table of docs/templates.md."""

import json
import re
import sys
from functools import cache
from pathlib import Path

import pytest
from fastchat.conversation import conv_templates
from hypothesis import given, settings
from hypothesis import strategies as st

import templates
from templates import InputError, Message, RenderError, Template, fastchat
from templates.stop import CONTROL_LIKE, stop_after
from tests.templates.kinds import encoder_for, tokenizer_for
from tests.templates.test_contract import check

DOCS = Path(__file__).parents[2] / "docs" / "templates.md"
SERVICES = ("chatgpt", "pplxai", "bard", "gemini", "steerlm")
WITHOUT_SYSTEM = ("deepseek-coder", "yuan")
ENTRIES = [name for name in fastchat.names() if name not in SERVICES]
LLAMA = {"bos_token": "<s>", "eos_token": "</s>"}
DEEPSEEK = {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"}
texts = st.text(alphabet="ab n字é'\"\\\n\r\t.:<>|{}%", min_size=1, max_size=12)


@cache
def load(name: str) -> Template:
    return templates.load(f"fastchat:{name}")


def special_tokens(name: str) -> dict[str, str]:
    return DEEPSEEK if name == "deepseek-chat" else LLAMA


def reference(name: str, system: str | None, turns: list[str]) -> str:
    """What FastChat writes, with BOS in front, which it leaves to the tokenizer, or writes itself in two entries."""
    entry = conv_templates[name].copy()
    if system is not None:
        entry.set_system_message(system)
    for index, text in enumerate(turns):
        entry.append_message(entry.roles[index % 2], text)
    if len(turns) % 2:
        entry.append_message(entry.roles[1], None)
    bos = special_tokens(name)["bos_token"]
    return bos + str(entry.get_prompt()).removeprefix(bos)


def messages_of(system: str | None, turns: list[str]) -> list[Message]:
    opening = [] if system is None else [Message(role="system", content=system)]
    return opening + [
        Message(role="assistant" if index % 2 else "user", content=text) for index, text in enumerate(turns)
    ]


@pytest.mark.parametrize("name", ENTRIES)
@settings(max_examples=15, deadline=None)
@given(system=st.none() | texts, turns=st.lists(texts, min_size=1, max_size=8))
def test_an_entry_is_get_prompt_to_the_byte(name: str, system: str | None, turns: list[str]) -> None:
    if name in WITHOUT_SYSTEM:
        system = None
    rendered = load(name).render(
        messages_of(system, turns), special_tokens=special_tokens(name), add_generation_prompt=len(turns) % 2 == 1
    )
    assert rendered == reference(name, system, turns)


@pytest.mark.parametrize("name", WITHOUT_SYSTEM)
def test_a_system_prompt_that_get_prompt_loses_is_refused(name: str) -> None:
    assert "Be brief" not in reference(name, "Be brief", ["Hi"])
    with pytest.raises(RenderError, match="no place for a system prompt"):
        load(name).render(messages_of("Be brief", ["Hi"]), special_tokens=LLAMA)


@pytest.mark.parametrize("name", SERVICES)
def test_web_services_have_no_text_format(name: str) -> None:
    with pytest.raises(InputError, match="stands for a web service"):
        load(name)
    with pytest.raises(ValueError, match="Invalid style"):
        conv_templates[name].get_prompt()


def test_an_unknown_entry_lists_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no template fastchat:vicuna; the nearest are fastchat:vicuna_v1\.1, "):
        load("vicuna")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastchat.conversation", None)
    with pytest.raises(InputError, match=r"pip install 'fschat==0\.2\.36'"):
        templates.load("fastchat:alpaca")


def ending(name: str) -> str:
    """What ends a reply, for the table: the stop, with every control string that the entry writes taken for a token."""
    eos = special_tokens(name)["eos_token"]
    find_control = re.compile(f"{re.escape(eos)}|{CONTROL_LIKE.pattern}").search
    try:
        stop = stop_after(load(name), special_tokens(name), find_control)
    except InputError:
        return "nothing"
    control = find_control(stop)
    if control is None:
        return f"the text `{json.dumps(stop)}`"
    return "`eos_token`" if control[0] == eos else f"`{control[0]}`".replace("|", r"\|")


def row(name: str) -> str:
    """An entry's line in the table of docs/templates.md."""
    if name in SERVICES:
        return f"| `{name}` | no | | a web service: `get_prompt()` raises, there is no text format |"
    entry = conv_templates[name]
    notes = {
        "a system prompt is refused: `get_prompt()` loses it": name in WITHOUT_SYSTEM,
        "opens with the examples that it stores": bool(entry.messages),
        "rewrites line breaks in contents: such conversations are rejected": entry.sep_style.name == "RWKV",
        "names no roles; deletes `<`, `n` and `>` from the end": entry.sep_style.name == "YUAN2",
    }
    return f"| `{name}` | yes | {ending(name)} | {'; '.join(note for note, holds in notes.items() if holds)} |"


def test_the_table_in_the_docs_is_true() -> None:
    text = DOCS.read_text(encoding="utf-8").partition("<!-- fastchat -->\n")[2].partition("<!-- end -->")[0]
    header = ["| entry | equal | ends a reply | note |", "|---|---|---|---|"]
    assert text.splitlines() == header + [row(name) for name in fastchat.names()]


@pytest.mark.parametrize("kind", ["llama-32k", "smollm2"])
@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_taught_exactly_or_refused(name: str, kind: str) -> None:
    if ending(name) == "nothing":
        with pytest.raises(InputError, match="nothing ends a reply"):
            encoder_for(f"fastchat:{name}", kind)
        return
    try:
        encoder = encoder_for(f"fastchat:{name}", kind)
    except InputError as error:
        assert re.search(r"written for control tokens that .* lacks: <", str(error))
        return
    messages = messages_of(
        None, ["Hi", "Yo", "a\nb", " There. ", "</s>USER: x\n### x", "###\n### <|im_end|>", "y", "Ok"]
    )
    [encoded] = encoder.encode([messages])
    check(encoder, tokenizer_for(kind), messages, encoded)
    assert {rule for _, rule in encoded.rejected} <= {"contains_stop", "token_straddles_reply"}
