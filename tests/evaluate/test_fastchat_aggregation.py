"""A judge with known verdicts on FastChat's own answers gives the figures that FastChat's own code gives."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastchat.llm_judge import show_result

from evaluate.fence import fence
from evaluate.questions import read_answers, read_questions
from evaluate.run import JudgeAt, Options, evaluate
from tests.evaluate.scripted_judge import Scripted, asked, running

# What each order says of every sixth question: (vicuna-13b as A, vicuna-13b as B).
PATTERNS = [("A", "B"), ("B", "A"), ("C", "C"), ("A", "A"), ("C", "B"), ("A", "B")]
SEEN = {("A", True): "model_1", ("B", True): "model_2", ("A", False): "model_2", ("B", False): "model_1"}


@pytest.fixture(scope="module")
def report(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = shared_data / "eval"
    questions = read_questions(folder / "vicuna_bench_question.jsonl")
    vicuna, alpaca = (read_answers(folder / f"answer_{name}-13b.jsonl") for name in ("vicuna", "alpaca"))

    def verdict(body: dict[str, Any]) -> str:
        text = asked(body)
        [question] = [
            one
            for one in questions
            if f"[User Question]\n{one.turns[0]}\n" in text or f"[Question]\n{one.turns[0]}\n" in text
        ]
        number = int(question.id)
        if "[[rating]]" in text:
            is_vicuna = fence(vicuna[question.id][0]) in text
            return f"Rating: [[{number % 5 + (6 if is_vicuna else 3)}]]"
        is_first = text.index(fence(vicuna[question.id][0])) < text.index(fence(alpaca[question.id][0]))
        return f"Both try. [[{PATTERNS[number % 6][0 if is_first else 1]}]]"

    options = Options(
        model=str(folder / "answer_vicuna-13b.jsonl"),
        against=str(folder / "answer_alpaca-13b.jsonl"),
        questions=folder / "vicuna_bench_question.jsonl",
        references=folder / "vicuna_bench_reference_gpt-4.jsonl",
        judge_prompts=folder / "judge_prompts.jsonl",
        out=tmp_path_factory.mktemp("fastchat"),
        concurrency=32,
    )
    with running(Scripted(verdict)) as server:
        judges = (JudgeAt(server.base_url, "gpt-4"),)
        yield evaluate(Options(**{**vars(options), "judges": judges}))


def shown(display: Any, path: Path, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The tables that FastChat prints of a file of judgements."""
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    printed: list[Any] = []
    monkeypatch.setattr(show_result, "print", lambda *values: printed.extend(values), raising=False)
    names = {"input_file": str(path), "model_list": None, "baseline_model": None, "bench_name": "mt_bench"}
    display(argparse.Namespace(**names))
    return [table for table in printed if not isinstance(table, str)]


def test_wins_ties_and_adjusted_rates(report: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []
    for item in report["items"]:
        [pair] = item["verdicts"][0]["pairs"]
        marks = PATTERNS[int(item["id"]) % 6]
        first, second = (SEEN.get((mark, place == 0), "tie") for place, mark in enumerate(marks))
        seen = {"model_1": "win", "model_2": "loss", "tie": "tie"}
        assert pair["seen"] == [seen[first], seen[second]]
        models = {"model_1": "vicuna-13b", "model_2": "alpaca-13b"}
        rows.append({"question_id": item["id"], **models, "g1_winner": first, "g2_winner": second, "turn": 1})
    [table] = shown(show_result.display_result_pairwise, tmp_path / "pair.jsonl", rows, monkeypatch)
    theirs, ours = table.loc["vicuna-13b"], report["judged"][0]["win_rates"][0]
    assert (ours["wins"], ours["ties"], ours["losses"]) == (theirs["win"], theirs["tie"], theirs["loss"])
    assert (ours["wins"], ours["ties"], ours["losses"], ours["unreadable"]) == (26, 40, 14, 0)
    for name, theirs_name in (("win", "win_rate"), ("loss", "loss_rate"), ("adjusted_win", "win_rate_adjusted")):
        assert ours[f"{name}_rate"]["mean"] == theirs[theirs_name]
    assert report["failures"] == []


def test_mean_scores(report: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"model": model["name"], "score": grade["value"], "turn": 1}
        for item in report["items"]
        for model, grades in zip(report["models"], item["verdicts"][0]["grades"], strict=True)
        for grade in grades
    ]
    table = shown(show_result.display_result_single, tmp_path / "single.jsonl", rows, monkeypatch)[0]
    for place, name in enumerate(("vicuna-13b", "alpaca-13b")):
        assert report["judged"][0]["scores"][place][0]["mean"] == table.loc[(name, 1), "score"]
    assert report["judged"][0]["difference"]["mean"] == 3.0
    assert "vicuna-13b is better than alpaca-13b" in report["summary"]


def test_position_bias_is_measured(report: dict[str, Any]) -> None:
    position = report["judged"][0]["trust"]["position"]
    counts = {name: round(position[name]["mean"] * 80) for name in ("consistent", "first", "second", "mixed")}
    assert counts == {"consistent": 54, "first": 13, "second": 0, "mixed": 13}
