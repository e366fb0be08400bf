from pathlib import Path

import pytest

from data_tools.inspect.collect import Content, clip, collect
from data_tools.prepared import Prepared, open_prepared
from templates import InputError


def test_all_of_the_sample_is_there(sample_content: Content, sample_prepared: Path) -> None:
    manifest = open_prepared(sample_prepared).manifest
    overview = sample_content.overview
    assert overview["total"] == len(overview["list"]) == manifest["counts"]["conversations_kept"]
    assert sum(one["supervised"] for one in overview["list"]) == manifest["counts"]["supervised_tokens"]
    assert sum(one["tokens"] for one in overview["list"]) == manifest["counts"]["tokens"]
    assert [len(turns) for turns in sample_content.rejected] == [
        held["turns"] for held in manifest["rejected"].values()
    ]  # fmt: skip
    assert all("after" in turn for turns in sample_content.rejected for turn in turns)
    assert overview["notes"] == []


def test_a_conversation_shows_each_turn_that_came_in(sample_content: Content) -> None:
    turns = [turn for one in sample_content.conversations for turn in one["turns"]]
    assert {turn["fate"] for turn in turns} == {"trained", "context", "rejected"}
    html = next(turn for turn in turns if "html_reply" in turn.get("by", []))
    assert html["before"].startswith("<")
    assert not html["after"].startswith("<")
    assert all(("before" in turn) == ("by" in turn) for turn in turns)


def test_more_than_asked_for_are_chosen_by_chance(sample_prepared: Path) -> None:
    content = collect(open_prepared(sample_prepared), model=None, most=7)
    assert len(content.conversations) == len(content.overview["list"]) == 7
    assert content.overview["total"] == 103


def test_without_the_dump_the_kept_messages_are_shown(sample_prepared: Path) -> None:
    prepared = open_prepared(sample_prepared)
    inputs = [described | {"sha256": "0"} for described in prepared.manifest["inputs"]]
    content = collect(Prepared(prepared.folder, prepared.manifest | {"inputs": inputs}), model=None, most=3)
    [note] = content.overview["notes"]
    assert "has changed since it was prepared" in note
    assert {turn["fate"] for one in content.conversations for turn in one["turns"]} >= {"kept"}
    assert not any("after" in turn for turns in content.rejected for turn in turns)


def test_another_tokenizer_is_refused(sample_prepared: Path) -> None:
    prepared = open_prepared(sample_prepared)
    fingerprint = prepared.manifest["fingerprint"]
    other = fingerprint | {"parts": fingerprint["parts"] | {"tokenizer": "0"}}
    with pytest.raises(InputError, match="not the tokenizer that made these windows; name the right model with --mod"):
        collect(Prepared(prepared.folder, prepared.manifest | {"fingerprint": other}), model=None, most=3)


def test_a_text_is_clipped_and_nothing_in_it_is_unseen() -> None:
    assert clip("👩🏽‍🚀 می‌خواهم\n\t\u202e\x00\ud83d") == "👩🏽‍🚀 می‌خواهم\n\t\\u202e\\u0000\\ud83d"
    assert clip("a" * 20_007).endswith("a\n[... 7 more characters]")
