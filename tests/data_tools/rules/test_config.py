import pickle
from pathlib import Path

import pytest
import yaml

from data_tools.records import Record, Turn
from data_tools.rules.blocked import BlockList
from data_tools.rules.cleaner import clean_record
from data_tools.rules.config import Rules, describe_rules, load_rules
from data_tools.rules.text import RULES
from templates import InputError, Role

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


def test_the_sample_block_list_finds_whole_phrases_in_replies_alone(tmp_path: Path) -> None:
    rules = load_rules(
        written(tmp_path, f"reject: {{blocked_phrase: {{files: [{EXAMPLE.with_name('block_list.txt')}]}}}}")
    )
    assert len(rules.blocked_phrases) == len(set(rules.blocked_phrases)) > 20
    said = "I am sorry. As an AI  language model, I'm trained by OpenAI."
    turns: list[tuple[Role, str]] = [
        ("user", said),
        ("assistant", said),
        ("assistant", "Our training database is as an air model is."),
    ]
    record = Record("a", "a.json", 0, [Turn(at, role, text) for at, (role, text) in enumerate(turns)])
    counts = clean_record(record, rules)
    assert [turn.rule for turn in record.turns] == ["", "blocked_phrase", ""]
    assert {phrase: turns for phrase, turns in counts.items() if phrase.startswith("blocked")} == {
        "blocked_phrase: as an AI language model": 1,
        "blocked_phrase: trained by OpenAI": 1,
    }
    for phrase in rules.blocked_phrases:
        assert phrase in BlockList(rules.blocked_phrases).find(f"So: {phrase}.")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text: {zero_widht: true}", r"text\.zero_widht: there is no such rule or option; the nearest is 'zero_width'"),
        ("txt: {}", r"txt: there is no such rule or option; the nearest is 'text'"),
        ("text: {html_reply: [user]}", r"text\.html_reply: \['user'\] is not right here; give true, false, or a list"),
        ("reject: {too_long: -1}", r"reject\.too_long: -1 is not right here"),
        ("reject: {refused_by_interface: 1}", r"reject\.refused_by_interface: 1 is not right here; give true or false"),
        ("reject: {blocked_phrase: {files: [none.txt]}}", r"none\.txt: cannot be read"),
        ("roles: {split_pieces: split}", r"roles\.split_pieces: 'split' is not right here; give keep or join or drop"),
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
