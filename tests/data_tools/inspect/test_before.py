import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

from data_tools.inspect.before import Texts, Way, reread, versions_note, way_of
from data_tools.rules.config import Rules, describe_rules

TURNS = [("human", "1 / 1\nHi"), ("gpt", "<p>Hello</p>"), ("narrator", "x")]
RECORD: dict[str, Any] = {
    "id": "a",
    "system": "Be kind.",
    "conversations": [{"from": role, "value": text} for role, text in TURNS],
}


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


def test_the_rules_of_the_preparation_are_used(tmp_path: Path) -> None:
    dump, phrases = tmp_path / "dump.json", tmp_path / "phrases.txt"
    longer = RECORD | {"conversations": [*RECORD["conversations"][:2], {"from": "user", "value": "Write to a@b.com"}]}
    dump.write_text(json.dumps([longer]))
    phrases.write_text("secret\n")
    text = tuple((name, ("user",) if name == "mask_email" else roles) for name, roles in Rules().text)
    rules = Rules(text=text, block_lists=(str(phrases),), blocked_phrases=("secret",))
    manifest = {"rules": describe_rules(rules), "options": {"format": None, "branches": "main", "max_pairs": 1}}
    way, notes = way_of(manifest)
    assert (way, notes) == (Way(rules, max_pairs=1), [])
    again = reread([described(dump)], [(str(dump), 0, "a")], way, report=lambda _: None)
    assert again.turns[str(dump), 0, "a"][2].after == "Write to [email]"
    phrases.unlink()
    way, [note] = way_of(manifest)
    assert way.rules.blocked_phrases == ()
    assert dict(way.rules.text)["mask_email"] == ("user",)
    assert "phrases.txt: cannot be read" in note


def test_members_of_archives_and_folders_are_found_and_what_is_no_dump_is_passed_by(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("chats/dump.json", json.dumps([RECORD]))
        archive.writestr("README.md", "Read me.")
    (tmp_path / "notes.txt").write_text("no dump")
    member = f"{tmp_path / 'all.zip'}/chats/dump.json"
    places = [(member, 0, "a"), (str(tmp_path / "notes.txt"), 0, "")]
    again = reread([described(tmp_path / "all.zip"), described(tmp_path / "notes.txt")], places, report=lambda _: None)
    assert again.turns[member, 0, "a"][1] == Texts("<p>Hello</p>", "Hello", ["html_reply"])
    assert again.notes == []
