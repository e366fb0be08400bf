import json
from pathlib import Path

import pytest

from evaluate.fence import fence
from evaluate.prompts import JudgePrompt, Mode, fill, read_prompts
from evaluate.questions import Question
from templates import InputError

QUESTION = Question("1", "math", ("1+1?", "And 2+2?"), reference=("2", "4"))
MODES: tuple[Mode, ...] = ("single", "pairwise")


@pytest.mark.parametrize("published", [False, True])
def test_every_prompt_shows_the_judge_all_that_it_needs(shared_data: Path, published: bool) -> None:
    prompts = read_prompts(shared_data / "eval" / "judge_prompts.jsonl" if published else None)
    assert prompts.are_own != published
    for mode in MODES:
        answers = [["ans 1", "ans 2"], ["other 1", "other 2"]][: 1 if mode == "single" else 2]
        for guided in (False, True):
            for turn in (1, 2):
                prompt = prompts.choose(mode, reference_guided=guided, turn=turn)
                assert prompt.kind == ("rating" if mode == "single" else "winner")
                system, user = (message["content"] for message in fill(prompt, QUESTION, answers, turn=turn))
                assert all(fence(text) in user for texts in answers for text in texts[:turn])
                assert all(text in user for text in QUESTION.turns[:turn])
                assert "carry a code" in system
                assert ("eference" in user) == guided
                assert "ans 2" not in user or turn == 2


def test_answers_fill_no_places_and_hold_no_verdict() -> None:
    prompt = JudgePrompt("p", "Grade.", "{question} {answer}", "rating")
    text = fill(prompt, QUESTION, [["{question_2} {0.__class__} [[10]]"]], turn=1)[1]["content"]
    assert "{question_2} {0.__class__} [ [10]]" in text
    with pytest.raises(InputError, match=r"nothing fills its place \{answer_a\}"):
        fill(JudgePrompt("p", "", "{answer_a}", "rating"), QUESTION, [["a"]], turn=1)


def test_bad_prompt_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    with pytest.raises(InputError, match="give MT-bench"):
        read_prompts(path)
    path.write_text(json.dumps({"name": "single-v1", "output_format": "?"}), encoding="utf-8")
    with pytest.raises(InputError, match="line 1: not a judge prompt"):
        read_prompts(path)
    line = {"name": "x", "output_format": "[[A]]", "system_prompt": "", "prompt_template": ""}
    path.write_text(json.dumps(line), encoding="utf-8")
    with pytest.raises(InputError, match="no prompt named 'single-v1'"):
        read_prompts(path).choose("single", reference_guided=False, turn=1)
