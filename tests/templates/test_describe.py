import pytest

import templates
from templates import Template, fastchat
from templates.describe import about, roles_of, stop_in_words


@pytest.mark.parametrize(
    ("name", "roles", "stop"),
    [
        ("vicuna_v1.1", "system (first), user, assistant", "{eos_token}"),
        ("vicuna_v0", "system (first), user, assistant", r"'\n###'"),
        ("llama-2", "system (first), user, assistant in turn", "' {eos_token}'"),
        ("llama-3", "system, user, assistant, tool", "<|eot_id|>"),
    ],
)
def test_roles_and_stop_are_found_by_rendering(name: str, roles: str, stop: str) -> None:
    assert roles_of(templates.load(name)) == roles
    assert stop_in_words(templates.load(name)) == stop


@pytest.mark.parametrize("name", templates.names())
def test_every_format_says_what_it_is_in_a_line(name: str) -> None:
    assert 5 < len(about(templates.load(name))) < 200
    assert "\n" not in about(templates.load(name))


def test_about_is_the_first_sentence_of_the_opening_comment() -> None:
    assert about(Template(name="a", text="{#- One (2023),\n    of two lines. More. -#}\n{# x #}")) == (
        "One (2023), of two lines."
    )
    assert about(Template(name="a", text="{{ messages }}{# x #}")) == ""


def test_a_template_that_ends_no_reply_says_so() -> None:
    ends_nothing = Template(
        name="mine", text="{% for message in messages %}[{{ message.role }}]{{ message.content }}{% endfor %}"
    )
    assert stop_in_words(ends_nothing).startswith("none: template mine: nothing ends a reply")


@pytest.mark.parametrize("name", ["tulu", "one_shot", "chatglm", "rwkv", "phoenix", "dolly_v2"])
def test_fastchats_entries_are_described(name: str) -> None:
    template = templates.load(fastchat.PREFIX + name)
    assert roles_of(template).endswith(("user, assistant", "in turn"))
    assert stop_in_words(template)
