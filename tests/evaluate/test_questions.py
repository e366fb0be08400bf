import json
from collections import Counter
from pathlib import Path

import pytest

from evaluate.questions import REFERENCE_GUIDED, json_lines, own_text, read_answers, read_questions
from templates import InputError


def test_own_questions_have_two_turns_in_two_languages() -> None:
    questions, lines = read_questions(None), json_lines(own_text("questions.jsonl"))
    assert len(questions) >= 40
    assert len(Counter(question.category for question in questions)) == 8
    assert {line["language"] for line in lines} == {"en", "zh"}
    assert all(len(question.turns) == 2 for question in questions)
    guided = [question for question in questions if question.category in REFERENCE_GUIDED]
    assert all(question.is_reference_guided and question.temperature == 0 for question in guided)


def test_the_published_files_are_read(shared_data: Path) -> None:
    folder = shared_data / "eval"
    mt_bench = read_questions(folder / "mt_bench_question.jsonl", references=folder / "mt_bench_reference_gpt-4.jsonl")
    assert len(mt_bench) == 80
    assert sum(question.is_reference_guided for question in mt_bench) == 30
    by_id = {question.id: question for question in mt_bench}
    assert (by_id["81"].temperature, by_id["101"].temperature, by_id["141"].temperature) == (0.7, 0.0, 0.1)
    vicuna = read_questions(
        folder / "vicuna_bench_question.jsonl", references=folder / "vicuna_bench_reference_gpt-4.jsonl"
    )
    assert len(vicuna) == 80
    assert sum(question.is_reference_guided for question in vicuna) == 10
    answers = read_answers(folder / "answer_vicuna-13b.jsonl")
    assert answers.keys() == {question.id for question in vicuna}


def test_a_limit_takes_questions_of_all_categories() -> None:
    assert len({question.category for question in read_questions(None, limit=8)}) == 8


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "line 1: not an object"),
        ('{"question_id": 1, "turns": ["a"]}', "no 'category'"),
        ('{"question_id": 1, "category": "x", "turns": "a"}', "'turns' is not a list of texts"),
        ('{"question_id": 1, "category": "x", "turns": ["a", "b", "c"]}', "more than two turns"),
        ('{"question_id": 1, "category": "x", "turns": ["a"]}\n' * 2, "same question_id"),
        ("\n", "holds no question"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(InputError, match=complaint):
        read_questions(path)


def test_references_belong_to_questions(tmp_path: Path) -> None:
    questions, references = tmp_path / "q.jsonl", tmp_path / "r.jsonl"
    questions.write_text(json.dumps({"question_id": 1, "category": "math", "turns": ["1+1?"]}), encoding="utf-8")
    references.write_text(json.dumps({"question_id": 1, "choices": [{"turns": ["2"]}]}), encoding="utf-8")
    assert read_questions(questions, references=references)[0].reference == ("2",)
    references.write_text(json.dumps({"question_id": 2, "text": "2"}), encoding="utf-8")
    with pytest.raises(InputError, match="to no question"):
        read_questions(questions, references=references)
    references.write_text(json.dumps({"question_id": 1}), encoding="utf-8")
    with pytest.raises(InputError, match="neither 'text' nor 'choices'"):
        read_questions(questions, references=references)
