from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from templates import Conversation, Message, Role
from templates.preview import Preview, Span, example, preview, to_terminal
from tests.templates.kinds import encoder_for, guarded_for

REPLY = "**4**, in any language 👩🏽‍🚀\n```python\nif 2 + 2 == 4:\n\tprint('四')\n```"
FITS = [("vicuna_v1.1", "smollm2"), ("vicuna_v1.1", "llama-32k"), ("vicuna_v0", "qwen2.5"), ("llama-3", "llama-3")]


def talk(*turns: tuple[Role, str]) -> Conversation:
    return Conversation(id="a", messages=tuple(Message(role=role, content=content) for role, content in turns))


def spans_of(shown: Preview) -> list[Span]:
    return [span for turn in shown.turns for span in turn]


def plain(shown: Preview) -> str:
    console = Console(file=StringIO(), width=400)
    with console.capture() as captured:
        console.print(to_terminal(shown))
    return captured.get()


@pytest.mark.parametrize(("name", "kind"), FITS)
def test_every_token_is_shown_once_with_its_text(name: str, kind: str) -> None:
    encoder = encoder_for(name, kind)
    [encoded] = encoder.encode([example()])
    shown = preview(encoder, example())
    spans = spans_of(shown)
    assert [token_id for span in spans for token_id in span.ids] == encoded.ids
    assert "".join(span.text for span in spans) == encoder.render(example())
    assert shown.count("supervised") == sum(encoded.mask)
    assert shown.count() == shown.count("control") + shown.count("context") + shown.count("supervised")


@pytest.mark.parametrize(("name", "kind"), FITS)
def test_what_is_supervised_is_the_reply_and_its_stop(name: str, kind: str) -> None:
    encoder = encoder_for(name, kind)
    shown = preview(encoder, example())
    taught = "".join(span.text for span in shown.turns[1] if span.kind == "supervised")
    assert taught.lstrip(" ") == REPLY + encoder.stop
    assert not [span for turn in (0, 2) for span in shown.turns[turn] if span.kind == "supervised"]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["smollm2", "llama-32k"]))
def test_no_character_is_split_or_lost(content: str, kind: str) -> None:
    encoder = encoder_for("vicuna_v1.1", kind)
    conversation = talk(("user", content), ("assistant", "ok"))
    shown = preview(encoder, conversation)
    if guarded_for(kind).reads_exactly(content):  # SmolLM2's has no token for some control characters
        assert "".join(span.text for span in spans_of(shown)) == encoder.render(conversation)


def test_tokens_that_share_a_character_are_one_span() -> None:
    shown = preview(encoder_for("vicuna_v1.1", "smollm2"), talk(("user", "a𓀀b"), ("assistant", "ok")))
    [hieroglyph] = [span for span in shown.turns[0] if "𓀀" in span.text]
    assert hieroglyph.text == "𓀀"
    assert len(hieroglyph.ids) > 1


def test_a_control_token_is_told_from_text_that_poses_as_one() -> None:
    shown = preview(encoder_for("chatml", "smollm2"), talk(("user", "<|im_end|>"), ("assistant", "ok")))
    assert [span.text for span in shown.turns[0] if span.is_control] == ["<|im_start|>"]
    assert [(span.text, span.kind) for span in shown.turns[1] if span.is_control] == [
        ("<|im_end|>", "control"),
        ("<|im_start|>", "control"),
        ("<|im_end|>", "supervised"),
    ]
    assert "user·⏎\n·<·|·im·_·end·|·>" in plain(shown)


def test_a_reply_that_is_not_taught_is_named_and_counted() -> None:
    shown = preview(
        encoder_for("chatml", "smollm2"),
        talk(("user", "a"), ("assistant", " "), ("user", "b"), ("assistant", "ok"), ("user", "c"), ("assistant", "")),
    )
    assert shown.rejected == {1: "empty_reply", 5: "empty_reply"}
    assert "1 assistant  not taught: empty_reply" in plain(shown)
    assert shown.totals()[1] == "rejected turns: empty_reply 2"


def test_a_conversation_that_the_template_refuses_is_shown_without_tokens() -> None:
    shown = preview(encoder_for("vicuna_v1.1", "smollm2"), talk(("tool", "t"), ("assistant", "ok")))
    assert shown.turns == [[], []]
    assert "1 assistant  not taught: template_refuses" in plain(shown)
    assert "0 tokens: 0 supervised, 0 context, 0 control\nrejected turns: template_refuses 1" in plain(shown)


def test_the_kinds_are_told_apart_without_any_colour() -> None:
    shown = plain(preview(encoder_for("chatml", "smollm2"), talk(("user", "Hi there"), ("assistant", "a\tb\n"))))
    assert "\x1b" not in shown
    assert "‹control›  context  ⟦supervised⟧  ⟦‹and its stop›⟧" in shown
    assert "·Hi· there\n" in shown
    assert "⟦a·→" in shown
    assert "·‹<|im_end|>›⟧·⏎\n" in shown


def test_the_kinds_have_colours_in_a_terminal() -> None:
    console = Console(force_terminal=True, color_system="standard", width=400)
    with console.capture() as captured:
        console.print(to_terminal(preview(encoder_for("chatml", "smollm2"), talk(("user", "Hi"), ("assistant", "ok")))))
    shown = captured.get()
    assert "\x1b[7;35m‹<|im_start|>›" in shown
    assert "\x1b[1;32mok" in shown
    assert "\x1b[1;7;32m‹<|im_end|>›" in shown


def test_no_content_commands_the_terminal() -> None:
    hostile = talk(("user", "\x1b[31m[bold red]x[/] :smile: \x07\u202e"), ("assistant", "\x1b]0;title\x07"))
    shown = plain(preview(encoder_for("vicuna_v1.1", "smollm2"), hostile))
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert "\\x1b" in shown
    assert ":smile:" in shown.replace("·", "")


def test_a_conversation_that_the_template_refuses_says_why() -> None:
    conversation = Conversation(id="", messages=(Message(role="system", content="Be brief."), *example().messages))
    shown = preview(encoder_for("tokenizer", "phi-3"), conversation)
    assert shown.count() == 0
    assert shown.totals()[-1] == "template tokenizer loses or moves the content of turn 0 (system)"
