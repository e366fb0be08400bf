import pytest
from fastchat.conversation import get_conv_template
from hypothesis import given
from hypothesis import strategies as st

import templates
from templates import InputError, Message, RenderError, Template

LLAMA = {"bos_token": "", "eos_token": "</s>"}
words = st.text(alphabet="ab é字\n.:<>", min_size=1, max_size=12).filter(lambda text: not text.startswith(" "))


@given(system=st.none() | words, turns=st.lists(words, min_size=1, max_size=8))
def test_vicuna_is_fastchats_to_the_byte(system: str | None, turns: list[str]) -> None:
    reference = get_conv_template("vicuna_v1.1")
    messages = []
    if system is not None:
        reference.set_system_message(system)
        messages.append(Message(role="system", content=system))
    for index, text in enumerate(turns):
        reference.append_message(reference.roles[index % 2], text)
        messages.append(Message(role="assistant" if index % 2 else "user", content=text))
    asks = len(turns) % 2 == 1
    if asks:
        reference.append_message(reference.roles[1], None)
    rendered = templates.load("vicuna_v1.1").render(messages, special_tokens=LLAMA, add_generation_prompt=asks)
    assert rendered == reference.get_prompt()


def test_a_reply_with_its_leading_space_renders_as_it_was_generated() -> None:
    template = templates.load("vicuna_v1.1")
    bare, spaced = (
        [Message(role="user", content="Hi"), Message(role="assistant", content=reply)] for reply in ("Yo", " Yo")
    )
    assert template.render(bare, special_tokens=LLAMA) == template.render(spaced, special_tokens=LLAMA)


def test_an_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no template 'vicuna'; the nearest are .*vicuna_v1\.1"):
        templates.load("vicuna")


def test_a_role_that_the_format_lacks_is_refused_with_its_name() -> None:
    with pytest.raises(RenderError, match="not tool"):
        templates.load("vicuna_v1.1").render([Message(role="tool", content="x")], special_tokens=LLAMA)


@pytest.mark.parametrize("text", ["{{ messages", "{{ messages.__class__.__mro__ }}", "{{ nowhere.x }}"])
def test_a_broken_template_is_refused(text: str) -> None:
    with pytest.raises(RenderError, match="template mine: "):
        Template(name="mine", text=text).render([], special_tokens=LLAMA)
