import re

import pytest

import templates
from templates import InputError, Template
from templates.stop import missing_controls, stop_after

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
find_control = re.compile(r"<s>|</s>").search


def chat(after: str, last: str | None = None) -> Template:
    end = after if last is None else f"{{% if loop.last %}}{last}{{% else %}}{after}{{% endif %}}"
    return Template(
        name="mine",
        text="{% for m in messages %}"
        f"{{% if m.role == 'user' %}}Q: {{{{ m.content }}}} A: {{% else %}}{{{{ m.content }}}}{end}{{% endif %}}"
        "{% endfor %}",
    )


@pytest.mark.parametrize(
    ("after", "stop"),
    [
        ("</s>", "</s>"),
        (" </s><s>", " </s>"),
        ("\n### ", "\n###"),
        ("### End\n\n", "### End"),
        ("<|im_end|>\n", "<|im_end|>"),
    ],
)
def test_the_stop_is_what_always_follows_a_reply(after: str, stop: str) -> None:
    assert stop_after(chat(after), SPECIAL, find_control) == stop


@pytest.mark.parametrize(("after", "last"), [("", None), ("\n", None), ("<n>", "<sep>"), ("</s>", "")])
def test_a_template_after_which_nothing_always_follows_is_refused(after: str, last: str | None) -> None:
    with pytest.raises(InputError, match="nothing ends a reply"):
        stop_after(chat(after, last), SPECIAL, find_control)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ messages[0].content }}</s>", r"template mine loses or moves the content of turn 1 \(assistant\)"),
        ("{% for m in messages | reverse %}{{ m.content }}</s>{% endfor %}", "loses or moves the content of turn 1"),
        ("{% for m in messages %}{{ m.content * 2 }}</s>{% endfor %}", r"repeats the content of turn 0 \(user\)"),
    ],
)
def test_a_template_that_loses_a_content_says_which(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        stop_after(Template(name="mine", text=text), SPECIAL, find_control)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("chatml", ["<|im_start|>", "<|im_end|>"]),
        ("gemma", ["<start_of_turn>", "<end_of_turn>"]),
        ("openchat", ["<|end_of_turn|>"]),
        ("zephyr", []),
        ("tulu", []),
        ("vicuna_v0", []),
        ("vicuna_v1.1", []),
        ("llama-2", []),
    ],
)
def test_control_tokens_that_a_format_writes_out_are_named(name: str, missing: list[str]) -> None:
    assert missing_controls(templates.load(name), SPECIAL, {"<s>", "</s>"}) == missing
