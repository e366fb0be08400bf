import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.clean import clean
from data_tools.inspect.collect import collect
from data_tools.pieces import join_pieces, piece_of
from data_tools.prepare import Options, prepare
from data_tools.prepared import open_prepared
from data_tools.readers import parse
from data_tools.records import RawRecord
from data_tools.rules.config import Rules

WORDS = ("Why is the sky blue?", "Light is scattered.", "And at dusk?", "The way is longer.", "Thanks!", "Gladly.")


def turns(first: int, end: int) -> list[dict[str, str]]:
    return [{"from": "gpt" if at % 2 else "human", "value": WORDS[at]} for at in range(first, end)]


def piece(record_id: str, first: int, end: int, **more: object) -> dict[str, Any]:
    return {"id": record_id, "conversations": turns(first, end), **more}


def raws(values: Sequence[dict[str, Any]], file: str = "a.json") -> list[RawRecord]:
    return [RawRecord(file, index, value, "sharegpt") for index, value in enumerate(values)]


def said(raw: RawRecord) -> list[str]:
    return [turn.text for record in parse(raw) for turn in record.turns]


@pytest.mark.parametrize(
    "cut",
    [
        [piece("hRPPgZT_0", 0, 2), piece("hRPPgZT_2", 2, 4), piece("hRPPgZT_4", 4, 6)],  # numbers count turns
        [piece("hRPPgZT_0", 0, 3), piece("hRPPgZT_3", 3, 6)],
        [piece("hRPPgZT_0", 0, 3), piece("hRPPgZT_1", 3, 6)],  # or pieces, where a question meets its reply
        [piece("f47ac10b-58cc-4372-a567-0e02b2c3d479_7", 0, 4), piece("f47ac10b-58cc-4372-a567-0e02b2c3d479_11", 4, 6)],
    ],
)
def test_what_continues_a_piece_is_joined_to_it(cut: list[dict[str, Any]]) -> None:
    other = piece("zzzzzzz_0", 0, 2)
    [joined, last] = join_pieces(raws([*cut, other]))
    assert said(joined) == list(WORDS)
    assert (joined.index, joined.joined, last.index) == (0, len(cut) - 1, len(cut))
    [record] = parse(joined)
    own = len(cut[0]["conversations"])
    assert record.id == cut[0]["id"]
    assert [turn.joined for turn in record.turns] == [False] * own + [True] * (6 - own)


@pytest.mark.parametrize(
    "apart",
    [
        [piece("hRPPgZT_2", 2, 4), piece("hRPPgZT_0", 0, 2)],  # not in order
        [piece("hRPPgZT_0", 0, 2), piece("hRPPgZT_4", 4, 6)],  # something between them is missing
        [piece("hRPPgZT_0", 0, 2), piece("hRPPgZT_1", 2, 4)],  # perhaps a branch
        [piece("hRPPgZT_0", 0, 2), piece("other00_0", 0, 2), piece("hRPPgZT_2", 2, 4)],  # not one after the other
        [piece("hRPPgZT_0", 0, 2, system="Be kind."), piece("hRPPgZT_2", 2, 4)],  # not one conversation's
        [piece("seed_task_0", 0, 2), piece("seed_task_2", 2, 4)],  # numbers of tasks
        [piece("hRPPgZT_0", 0, 0), piece("hRPPgZT_0", 0, 2)],
    ],
)
def test_what_does_not_continue_it_stays_apart(apart: list[dict[str, Any]]) -> None:
    given_raws = raws(apart)
    assert list(join_pieces(given_raws)) == given_raws
    assert list(join_pieces([*raws(apart[:1]), *raws(apart[:1], "b.json")])) == [
        *raws(apart[:1]),
        *raws(apart[:1], "b.json"),
    ]


def test_a_forced_format_may_bring_anything() -> None:
    values: list[object] = [{"id": "hRPPgZT_0"}, "text", None, []]
    odd = [RawRecord("a.json", n, value, "sharegpt") for n, value in enumerate(values)]
    odd += raws([{"id": "hRPPgZT_0", "conversations": [1]}, {"id": "hRPPgZT_1", "conversations": ["x"]}])
    assert sum(1 + raw.joined for raw in join_pieces(odd)) == len(odd)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 6), st.integers(0, 3)), max_size=12))
def test_no_turn_is_lost_or_moved(cuts: list[tuple[str, int, int]]) -> None:
    values = [
        {
            "id": f"abcdef{letter}_{number}",
            "conversations": [{"from": "human", "value": f"{at} {n}"} for n in range(size)],
        }
        for at, (letter, number, size) in enumerate(cuts)
    ]
    joined = list(join_pieces(raws(values)))
    assert sum(1 + raw.joined for raw in joined) == len(values)
    before = [text for raw in raws(values) for text in said(raw) if text]
    assert [text for raw in joined for text in said(raw) if text] == before


def test_only_ids_of_the_form_are_pieces() -> None:
    ids = ["hRPPgZT_8", "a1b2c3d4e5f60718_3", "identity_0", "seed_task_12", "user_oriented_task_3", "hRPPgZT", "x_1"]
    assert [piece_of(one) is not None for one in ids] == [True, True, False, False, False, False, False]


@pytest.fixture(scope="module")
def options(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Options:
    folder = tmp_path_factory.mktemp("pieces")
    dump = folder / "dump.json"
    values = [piece("hRPPgZT_0", 0, 3), piece("hRPPgZT_3", 3, 6), piece("zzzzzzz_4", 0, 2), piece("zzzzzzz_2", 2, 4)]
    for value in values[2:]:
        value["conversations"] = [turn | {"value": f"Now: {turn['value']}"} for turn in value["conversations"]]
    dump.write_text(json.dumps(values))
    out = folder / "data"
    return Options(inputs=(dump,), model=str(small_model), template="vicuna_v1.1", out=out, workers=1, held_out=0.0)


@pytest.mark.parametrize(
    ("choice", "conversations", "rejected"),
    [
        ("keep", 4, {"trailing_question": 1, "leading_reply": 1}),
        ("join", 3, {}),
        ("drop", 4, {"trailing_question": 1, "leading_reply": 1, "split_piece": 4}),
    ],
)
def test_each_choice_adds_up(choice: Any, conversations: int, rejected: dict[str, int], options: Options) -> None:
    asked = replace(options, rules=Rules(split_pieces=choice), out=options.out.with_name(choice))
    made = prepare(asked)
    counts = made["counts"]
    assert counts["conversations_in"] == conversations
    assert counts["turns_in"] == 10 == counts["turns_trained"] + counts["turns_context"] + counts["turns_rejected"]
    assert {rule: held["turns"] for rule, held in made["rejected"].items()} == rejected
    assert made["rules"]["roles"]["split_pieces"] == choice
    rules = Counter(pq.read_table(asked.out / "ledger.parquet")["rule"].to_pylist())
    joined = 3 if choice == "join" else 0
    assert rules["joined_piece"] == joined
    assert made["cleaning"].get("joined_piece", {}) == ({"version": 1, "turns_joined": 3} if joined else {})
    filtered = asked.out / "filtered.jsonl"
    assert filtered.exists() == (choice == "drop")
    because = [json.loads(line)["because"] for line in filtered.read_text().splitlines()] if filtered.exists() else []
    assert because == (["hRPPgZT_0", "zzzzzzz_2"] if choice == "drop" else [])


def test_the_inspector_joins_alike(options: Options) -> None:
    asked = replace(options, rules=Rules(split_pieces="join"), out=options.out.with_name("inspected"))
    prepare(asked)
    content = collect(open_prepared(asked.out), model=None, most=10)
    assert content.overview["notes"] == []
    texts = [[turn["after"] for turn in one["turns"]] for one in content.conversations]
    assert list(WORDS) in texts


def test_clean_joins_as_well(options: Options, tmp_path: Path) -> None:
    done = clean(options.inputs, out=tmp_path / "out.jsonl", rules=Rules(split_pieces="join"))
    assert (done.conversations, done.written, done.changed["joined_piece"]) == (3, 3, 3)
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert [message["content"] for message in first["messages"]] == list(WORDS)
