from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.filters.decontaminate import ContaminationFilter, word_hashes
from data_tools.records import Record, Turn
from data_tools.rules.blocked import words_of
from data_tools.rules.roles import repair
from templates import InputError

QUESTION = "Compare how bees and ants find the shortest way home when the usual path is blocked by a fallen tree."


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text(
        '{"question_id": 7, "turns": ["' + QUESTION + '", "Now rhyme it."]}\n\n'
        "Why do leaves of some trees turn red in autumn?\n怎样在家里不用酵母烤出又香又软的面包和蛋糕？\n"
    )
    return path


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (QUESTION, "questions.jsonl question 7"),
        ("Please: compare how bees and ants find the shortest WAY home, when the usual -- path is open.",
         "questions.jsonl question 7"),
        ("why do leaves of some trees turn red in autumn", "questions.jsonl line 3"),
        ("你好！怎样在家里不用酵母烤出又香又软的面包和蛋糕？谢谢", "questions.jsonl line 4"),
        ("Compare how bees and ants find the shortest way home.", ""),
        ("Now rhyme it.", ""),
        ("Why do leaves of some tall trees turn red in autumn?", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_questions_are_found_by_their_words(text: str, name: str, questions: Path) -> None:
    assert ContaminationFilter([str(questions)]).find(text) == name


@given(st.text(st.sampled_from("aB7é你ก _-'\n\u0301\ud800😀𠀀")))
def test_hashes_are_those_of_the_words(text: str) -> None:
    words, hashes = words_of(text), word_hashes(text).tolist()
    assert len(words) == len(hashes)
    assert len(set(zip(words, hashes, strict=True))) == len(set(words)) == len(set(hashes))


def test_a_question_does_not_begin_in_one_message_and_end_in_the_next(questions: Path) -> None:
    words, searched = QUESTION.split(), ContaminationFilter([str(questions)])
    turns = [Turn(0, "user", " ".join(words[:10])), Turn(1, "assistant", " ".join(words[10:]))]
    record = Record("id", "a.json", 0, turns)
    repair(record)
    assert searched.features([record]) == [""]
    record.messages[1:] = record.messages[:1]
    turns[1].text = "Yes: " + QUESTION
    repair(record)
    assert searched.features([record]) == ["questions.jsonl question 7"]


def test_mt_bench_against_itself_and_against_other_talk(shared_data: Path) -> None:
    searched = ContaminationFilter([str(shared_data / "eval" / "mt_bench_question.jsonl")])
    lines = (shared_data / "eval" / "mt_bench_question.jsonl").read_text().splitlines()
    assert sum(bool(searched.find(line)) for line in lines) == len(lines) == 80
    other = (shared_data / "alpaca" / "belle_zh_seed_tasks_175.jsonl").read_text().splitlines()
    assert not any(searched.find(line) for line in other)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"question_id": 1}', r"q\.txt: line 1 is not a question like"),
        ('{"turns": ', r"q\.txt: line 1 is not a question like"),
        ("Too short.\n", r"q\.txt: no question of 8 words or more"),
        ("", r"q\.txt: no question of 8 words or more"),
    ],
)
def test_bad_files_are_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "q.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        ContaminationFilter([str(path)])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: cannot be read"):
        ContaminationFilter([str(tmp_path / "none.txt")])
