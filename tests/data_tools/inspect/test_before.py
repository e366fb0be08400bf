import hashlib
import json
from pathlib import Path

from data_tools.inspect.before import Texts, reread, versions_note

TURNS = [("human", "1 / 1\nHi"), ("gpt", "<p>Hello</p>"), ("narrator", "x")]
RECORD = {"id": "a", "system": "Be kind.", "conversations": [{"from": role, "value": text} for role, text in TURNS]}


def described(path: Path) -> dict[str, str]:
    return {"file": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_each_turn_has_its_text_before_and_after_and_the_rules(tmp_path: Path) -> None:
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps([RECORD, RECORD | {"id": "b"}]))
    again = reread([described(dump)], [(str(dump), 1, "b")], report=lambda _: None)
    assert again.notes == []
    assert again.turns == {
        (str(dump), 1, "b"): {
            -1: Texts("Be kind.", "Be kind.", []),
            0: Texts("1 / 1\nHi", "Hi", ["outer_whitespace", "variant_counter"]),
            1: Texts("<p>Hello</p>", "Hello", ["html_reply"]),
            2: Texts("x", "x", []),
        }
    }
    assert again.messages[str(dump), 1, "b"] == [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello")]


def test_a_dump_that_is_gone_or_changed_is_left_alone(tmp_path: Path) -> None:
    dump, gone = tmp_path / "dump.json", tmp_path / "gone.json"
    dump.write_text(json.dumps([RECORD]))
    inputs = [described(dump), {"file": str(gone), "sha256": ""}]
    dump.write_text(json.dumps([RECORD, RECORD]))
    again = reread(inputs, [(str(dump), 0, "a"), (str(gone), 0, "a")], report=lambda _: None)
    assert again.turns == {}
    assert [note.removeprefix(str(tmp_path)) for note in again.notes] == [
        "/dump.json: has changed since it was prepared, so its texts before cleaning cannot be shown",
        "/gone.json: is not there any more, so its texts before cleaning cannot be shown",
    ]


def test_other_versions_of_the_rules_are_named() -> None:
    then = {"a": {"version": 1}, "b": {"version": 2}}
    assert versions_note(then, {"a": 1, "b": 2}) == ""
    assert "(b 2 -> 3, c none -> 1)" in versions_note(then, {"a": 1, "b": 3, "c": 1})
