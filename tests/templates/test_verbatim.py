from itertools import chain

import pytest
from fastchat.conversation import conv_templates
from hypothesis import given
from hypothesis import strategies as st

import templates
from templates import InputError, Message, RenderError, Role, Template
from templates.layout import literals_of
from templates.template import names

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
PAIR: tuple[Role, ...] = ("user", "assistant")
ALTERNATING: list[tuple[Role, ...]] = [PAIR, PAIR * 2, ("system", *PAIR), ("system", *PAIR * 3)]
CONTENTS = st.lists(
    st.sampled_from(["a", " ", "\n", "</s>", "USER:", "{{ x }}", "é", ""]) | st.characters(), max_size=4
)
LOOP = "{% for m in messages %}"
END = "{% endfor %}"


def shipped() -> list[Template]:
    """Every format of ours, and each of FastChat's that can be written as a template."""
    found = [templates.load(name) for name in names()]
    for name in conv_templates:
        try:
            found.append(templates.load(f"fastchat:{name}"))
        except InputError:
            continue
    return found


SHIPPED = shipped()


def assert_stands(template: Template, roles: tuple[Role, ...], contents: list[str]) -> None:
    """Where the template says that it writes contents as they are, rendering says so too."""
    try:
        literals = literals_of(template, roles, SPECIAL)
    except RenderError:
        return
    if template.writes_as_they_are(contents):
        messages = [Message(role=role, content=content) for role, content in zip(roles, contents, strict=True)]
        text = "".join(chain.from_iterable(zip(literals, [*contents, ""], strict=True)))
        assert template.render(messages, special_tokens=SPECIAL) == text


@given(st.data(), st.sampled_from(SHIPPED), st.sampled_from(ALTERNATING))
def test_what_is_told_from_the_syntax_is_what_is_rendered(
    data: st.DataObject, template: Template, roles: tuple[Role, ...]
) -> None:
    texts = CONTENTS.map("".join)
    assert_stands(template, roles, data.draw(st.lists(texts, min_size=len(roles), max_size=len(roles))))


def test_nearly_all_that_are_shipped_are_known_by_their_syntax() -> None:
    unknown = {template.name for template in SHIPPED if not template.writes_as_they_are(["Hi", "Hello!"])}
    assert unknown == {"gemma", "qwen", "fastchat:rwkv", "fastchat:falcon", "fastchat:yuan2"}


@pytest.mark.parametrize(
    ("text", "contents"),
    [
        ("{{ m.content | trim }}", ["a", "b\n"]),
        ("{{ '' if m.content.startswith('a') else ' ' }}{{ m.content }}", ["b", "a"]),
        ("{{ m.content }}{{ '' if m.content.endswith('.') else '.' }}", ["b", "a."]),
    ],
)
def test_only_contents_that_meet_the_conditions_are_known(text: str, contents: list[str]) -> None:
    template = Template("mine", LOOP + text + END)
    first, last = contents
    assert template.writes_as_they_are([first])
    assert not template.writes_as_they_are([last])
    assert_stands(template, PAIR, [first, first])


@pytest.mark.parametrize(
    "text",
    [
        "{{ m.content | upper }}",
        "{{ m.content[1:] }}",
        "{{ m.content.strip() }}",
        "{{ m.content.startswith('') }}{{ m.content }}",
        "{{ m.content.startswith('\U000f0000') }}{{ m.content }}",
        "{% if m.content %}{{ m.content }}{% endif %}",
        "{{ m.content if 'x' in m.content else m.content + ' ' }}",
        "{{ m.content if m.content == 'x' else m.content + ' ' }}",
        "{% for part in m.content %}{{ part }}{% endfor %}",
        "{% for key, value in m.items() %}{{ value }}{% endfor %}",
        "{{ m['values']() | last }}",
        "{{ m.get('content') }}",
        "{{ m | tojson }}",
        "{{ m }}",
        "{{ loop.previtem.content if not loop.first else m.content }}",
        "{% set x = namespace(y='') %}{% set x.y = m.content %}{{ x.y }}",
        "{% set x %}{{ m.content }}{% endset %}{{ x }}",
        "{{ ([m.content] | first) }}",
        "{{ m.content ~ (messages | map(attribute='content') | join | length) }}",
        "{% macro say(x) %}{{ x }}{% endmacro %}{{ say(m.content) }}",
        "{% filter trim %}{{ m.content }}{% endfilter %}",
        "{% set x = m.content %}{% set x = x ~ '' %}{{ x | trim }}",
    ],
)
def test_whatever_else_is_done_with_a_content_has_to_be_rendered(text: str) -> None:
    assert not Template("mine", LOOP + text + END).writes_as_they_are(["a", "b"])


@pytest.mark.parametrize(
    "text",
    [
        "{{ m['role'] ~ ': ' ~ m['content'] }}",
        "{{ (m.role | upper) + m.content if m.content is string else 'x' }}",
        "{% set text = m.content %}{% if loop.last or m.tool_calls %}{{ text }}!{% else %}{{ text }}{% endif %}",
        "{% set before = messages[loop.index0 - 1] %}{{ before.role + m.content }}",
        "{% if messages | length > 3 %}{% continue %}{% endif %}{{ m.content }}",
    ],
)
def test_what_looks_at_all_but_the_content_is_known(text: str) -> None:
    template = Template("mine", LOOP + text + END)
    assert template.writes_as_they_are([" a\n", ""])
    assert_stands(template, PAIR, [" a\n", ""])
