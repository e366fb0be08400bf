import pytest

from templates import RenderError, Role, Template
from templates.layout import contents_in, layout_of, literals_of

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
PAIR: tuple[Role, ...] = ("user", "assistant")
CHAT = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% if m.role == 'assistant' %}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def template(text: str) -> Template:
    return Template(name="mine", text=text)


def test_literals_stand_around_the_contents() -> None:
    layout = layout_of(template(CHAT), PAIR, SPECIAL)
    assert layout.literals == ("[user]", "[assistant]", "</s>")
    assert layout.prompt_literals == (None, "[assistant]")


def test_a_prompt_that_is_no_prefix_is_told() -> None:
    counts = "{{ messages | length }}" + CHAT
    assert layout_of(template(counts), PAIR, SPECIAL).prompt_literals == (None, None)


def test_long_conversations_are_laid_out_like_short_ones() -> None:
    layout = layout_of(template(CHAT), PAIR * 300, SPECIAL)
    assert set(layout.prompt_literals) == {None, "[assistant]"}
    assert layout.prompt_literals[1::2] == ("[assistant]",) * 300


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ messages[0].content }}", r"loses or moves the content of turn 1 \(assistant\)"),
        ("{% for m in messages | reverse %}{{ m.content }}{% endfor %}", "loses or moves the content of turn 1"),
        ("{% for m in messages %}{{ m.content * 2 }}{% endfor %}", "repeats the content of turn 0"),
    ],
)
def test_templates_that_lose_move_or_repeat_content_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(RenderError, match=complaint):
        literals_of(template(text), PAIR, SPECIAL)


@pytest.mark.parametrize(
    ("text", "contents", "found"),
    [
        ("<a>x<b>y<c>", ["x", "y"], ["x", "y"]),
        ("<a>x<b>y<c>", [" x\n", "y "], ["x", "y"]),
        ("<a>X<b>y<c>", ["x", "y"], None),
        ("<a>x<b>y<c>!", ["x", "y"], None),
        ("<a><b><b>y<c>", ["<b>", "y"], ["<b>", "y"]),
    ],
)
def test_contents_are_found_trimmed_but_never_rewritten(
    text: str, contents: list[str], found: list[str] | None
) -> None:
    assert contents_in(text, ["<a>", "<b>", "<c>"], contents) == found
