import pickle
from pathlib import Path

import pytest
import yaml

from data_tools.rules.config import Rules, describe_rules, load_rules
from data_tools.rules.text import RULES
from templates import InputError

EXAMPLE = Path(__file__).parents[3] / "examples" / "rules.yaml"


def written(folder: Path, content: str) -> Path:
    path = folder / "rules.yaml"
    path.write_text(content)
    return path


def test_the_example_holds_every_rule_with_its_default() -> None:
    assert load_rules(EXAMPLE) == load_rules(None) == Rules()
    assert yaml.safe_load(EXAMPLE.read_text()) == describe_rules(Rules())


def test_what_a_file_does_not_name_keeps_its_default(tmp_path: Path) -> None:
    path = written(tmp_path, "text:\n  mask_email: [user]\n  zero_width: false\nreject: {too_long: 9}\n")
    rules = load_rules(path)
    roles = dict(rules.text)
    assert (roles["mask_email"], roles["zero_width"], rules.too_long) == (("user",), (), 9)
    assert {name for name, of in rules.text if of != dict(Rules().text)[name]} == {"mask_email", "zero_width"}
    assert list(roles) == [rule.name for rule in RULES]


def test_rules_travel_to_other_processes_and_back_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "phrases.txt").write_text("# ours\nas an AI\n\nas an AI\n")
    rules = load_rules(written(tmp_path, "reject: {blocked_phrase: {files: [phrases.txt], roles: true}}"))
    assert rules.blocked_phrases == ("as an AI",)
    assert rules.blocked_roles == ("system", "user", "assistant", "tool")
    assert pickle.loads(pickle.dumps(rules)) == rules  # noqa: S301
    assert load_rules(written(tmp_path / ".", yaml.safe_dump(describe_rules(rules)))) == rules


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text: {zero_widht: true}", r"text\.zero_widht: there is no such rule or option; the nearest is 'zero_width'"),
        ("txt: {}", r"txt: there is no such rule or option; the nearest is 'text'"),
        ("text: {html_reply: [user]}", r"text\.html_reply: \['user'\] is not right here; give true, false, or a list"),
        ("reject: {too_long: -1}", r"reject\.too_long: -1 is not right here"),
        ("reject: {refused_by_interface: 1}", r"reject\.refused_by_interface: 1 is not right here; give true or false"),
        ("reject: {blocked_phrase: {files: [none.txt]}}", r"none\.txt: cannot be read"),
        ("roles: {leading_reply: keep}", r"roles\.leading_reply: 'keep' is not right here; give reject or context"),
        ("filters: {near_duplicate: 80}", r"filters\.near_duplicate: 80 is not right here"),
        ("filters: {language: [en]}", r"filters\.language: \['en'\] is not right here; give a mapping"),
        ("- text", r"the file: \['text'\] is not right here"),
        ("text: [", r"not YAML"),
    ],
)
def test_what_is_not_known_is_refused_in_one_line(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as raised:
        load_rules(written(tmp_path, content))
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read"):
        load_rules(tmp_path / "none.yaml")
