"""The formats that Chaku ships, each against its reference, and the table of docs/templates.md."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import templates
from templates import Message, RenderError
from tests.templates.kinds import tokenizer_for
from tests.templates.test_fastchat import LLAMA, messages_of, reference, special_tokens, texts

DOCS = Path(__file__).parents[2] / "docs" / "templates.md"
ALWAYS, WITH_SYSTEM, WITHOUT_SYSTEM = (None, "Be brief."), ("Be brief.",), (None,)
REFERENCES = {
    "alpaca": ("alpaca", ALWAYS),
    "chatml": ("mpt-7b-chat", WITH_SYSTEM),
    "deepseek": ("deepseek-chat", WITHOUT_SYSTEM),
    "koala": ("koala_v1", ALWAYS),
    "llama-2": ("llama-2", ALWAYS),
    "mistral": ("mistral", ALWAYS),
    "openchat": ("openchat_3.5", ALWAYS),
    "qwen": ("qwen-7b-chat", WITH_SYSTEM),
    "vicuna_v0": ("zero_shot", ALWAYS),
    "vicuna_v1.1": ("vicuna_v1.1", ALWAYS),
    "zephyr": ("zephyr", ALWAYS),
}
SPACED = ("alpaca", "deepseek", "koala", "llama-2", "mistral", "openchat", "vicuna_v0", "vicuna_v1.1", "wizardlm")
words = texts.filter(lambda text: not text.startswith(" "))


@pytest.mark.parametrize("name", REFERENCES)
@settings(max_examples=25, deadline=None)
@given(data=st.data(), turns=st.lists(words, min_size=1, max_size=8))
def test_a_format_is_fastchats_to_the_byte(name: str, data: st.DataObject, turns: list[str]) -> None:
    entry, systems = REFERENCES[name]
    system = data.draw(st.sampled_from(systems))
    rendered = templates.load(name).render(
        messages_of(system, turns), special_tokens=special_tokens(entry), add_generation_prompt=len(turns) % 2 == 1
    )
    assert rendered == reference(entry, system, turns)


@pytest.mark.parametrize(
    ("name", "kind", "roles"),
    [
        ("llama-3", "llama-3", ("system", "user", "assistant", "user")),
        ("qwen", "qwen2.5", ("system", "user", "assistant", "user")),
        ("qwen", "qwen2.5", ("user", "assistant", "user", "assistant", "tool", "tool", "assistant", "tool")),
        ("phi-3", "phi-3", ("user", "assistant", "user")),
    ],
)
def test_a_format_is_the_models_own_to_the_byte(name: str, kind: str, roles: tuple[templates.Role, ...]) -> None:
    tokenizer = tokenizer_for(kind)
    messages = [Message(role=role, content=f" {role} says\n\nx ") for role in roles]
    special = {"bos_token": tokenizer.bos_token or "", "eos_token": str(tokenizer.eos_token)}
    ours = templates.load(name).render(messages, special_tokens=special, add_generation_prompt=True)
    plain = [{"role": item.role, "content": item.content} for item in messages]
    assert ours == tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=True)


def test_the_formats_that_no_reference_here_knows() -> None:
    messages = messages_of("Be brief.", ["Hi ", "Yo", "Bye"])
    rendered = {
        name: templates.load(name).render(messages, special_tokens=LLAMA, add_generation_prompt=True)
        for name in ("gemma", "tulu", "wizardlm", "phi-3")
    }
    assert rendered == {
        "gemma": "<s><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nYo<end_of_turn>\n"
        "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n",
        "tulu": "<s><|system|>\nBe brief.\n<|user|>\nHi \n<|assistant|>\nYo</s>\n<|user|>\nBye\n<|assistant|>\n",
        "wizardlm": "<s>Be brief.\n\nHi \n\n### Response: Yo</s>Bye\n\n### Response:",
        "phi-3": "<s><|system|>\nBe brief.<|end|>\n<|user|>\nHi <|end|>\n<|assistant|>\nYo<|end|>\n"
        "<|user|>\nBye<|end|>\n<|assistant|>\n",
    }


@pytest.mark.parametrize("name", SPACED)
def test_a_reply_with_its_leading_space_renders_as_it_was_generated(name: str) -> None:
    template = templates.load(name)
    bare, spaced = (template.render(messages_of(None, ["Hi", reply]), special_tokens=LLAMA) for reply in ("Yo", " Yo"))
    assert bare == spaced


@pytest.mark.parametrize("name", templates.names())
def test_the_table_in_the_docs_names_the_roles(name: str) -> None:
    roles = documented()[name]
    template = templates.load(name)
    assert ("tool" in roles) == accepts(template, ["user", "assistant", "tool", "assistant"])
    assert ("(first)" not in roles) == accepts(template, ["user", "assistant", "system", "user", "assistant"])
    assert ("in turn" not in roles) == accepts(template, ["user", "user", "assistant", "assistant"])


def documented() -> dict[str, str]:
    """Each format's roles, as docs/templates.md has them."""
    table = DOCS.read_text(encoding="utf-8").partition("<!-- formats -->")[2].partition("<!-- end -->")[0]
    return {found[1]: found[2] for found in re.finditer(r"^\| `([^`]+)` \| ([^|]*) \|", table, re.MULTILINE)}


def accepts(template: templates.Template, roles: list[templates.Role]) -> bool:
    try:
        template.render([Message(role=role, content="x") for role in roles], special_tokens=LLAMA)
    except RenderError:
        return False
    return True


def test_every_format_is_in_the_docs() -> None:
    assert list(documented()) == templates.names()
