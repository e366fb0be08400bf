import pytest

import templates
from templates import InputError, Message, RenderError, Template

LLAMA = {"bos_token": "", "eos_token": "</s>"}


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
