from dataclasses import replace
from pathlib import Path

import pytest

from data_tools.filters import decide_all, features_of, filters_of, reject_filtered
from data_tools.records import Record, Turn
from data_tools.rules.config import Rules
from data_tools.rules.roles import repair
from templates import InputError

ENGLISH = "Please tell me how a wooden bridge carries the weight of a train over a wide river."
GERMAN = "Bitte erkläre mir, wie eine hölzerne Brücke das Gewicht eines Zuges über einen breiten Fluss trägt."
REPLY = (
    "A timber trestle hands the load of each axle down through closely set posts, whose feet rest on piles driven into "
    "the river bed. Diagonal braces keep the posts from leaning, long beams spread every wheel over several of them, "
    "and a layer of gravel quietens the shaking. Where boats must pass, two arches of glued planks reach from bank to "
    "bank instead, so that all forces press the wood together along its grain, which is how timber is strongest."
)


def conversation(number: int, *texts: str) -> Record:
    turns = [Turn(at, "assistant" if at % 2 else "user", text) for at, text in enumerate(texts)]
    record = Record(f"id{number}", "dump.json", number, turns)
    repair(record)
    return record


def test_no_filter_is_on_by_default() -> None:
    assert filters_of(Rules()) == []


def test_what_an_earlier_filter_rejects_is_no_original_for_a_later_one(tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text("In which year was the first wooden bridge built over the river at the old mill?\n")
    filters = filters_of(Rules(languages=("en",), near_duplicate=0.8, evaluation_questions=(str(questions),)))
    asked = ENGLISH + " In which year was the first wooden bridge built over the river at the old mill?"
    records = [
        conversation(0, GERMAN, GERMAN),
        conversation(1, asked, ENGLISH * 3),
        conversation(2, "only a question"),
        conversation(3, ENGLISH, REPLY),
        conversation(4, ENGLISH, REPLY.upper().replace(" ", "  ") + " Good luck!"),
    ]
    report = reject_filtered(records, filters)
    assert [(row["source"], row["rule"]) for row in report] == [
        ("dump.json#0", "language"), ("dump.json#1", "contaminated"), ("dump.json#4", "near_duplicate"),
    ]  # fmt: skip
    assert report[0]["because"] == "de"
    assert report[1]["because"] == "questions.txt line 1"
    assert str(report[2]["because"]).endswith(" like dump.json#3")
    assert [bool(record.messages) for record in records] == [False, False, False, True, False]
    assert {turn.rule for turn in records[4].turns} == {"near_duplicate"}


def test_features_are_small_and_decisions_repeat() -> None:
    filters = filters_of(Rules(languages=("en",), near_duplicate=0.9))
    rows = features_of([conversation(n, f"{ENGLISH} {n}", ENGLISH) for n in range(50)], filters)
    assert all(row is not None and len(row[0]) == 2 and len(row[1][1]) == 512 for row in rows)
    assert decide_all(rows, filters) == decide_all(rows, filters)


def test_a_code_that_is_no_language_is_refused() -> None:
    with pytest.raises(InputError, match=r"--lang eng: there is no such language code; the nearest is 'en'"):
        filters_of(replace(Rules(), languages=("eng",)))
