import pytest

from evaluate.answers import Answer, saved_answers
from evaluate.instructions import Instruction, grade_instructions, own_instructions, passes, variants
from evaluate.plain_checks import is_looping, keeps_language, measure, repeated_share
from evaluate.questions import Question

PROSE = (
    "Bridges carry roads over rivers. The oldest were trunks of trees; later ones were built of stone, then of iron, "
    "and today of steel and concrete. Each kind has loads that it bears well, and others that it does not."
)


@pytest.mark.parametrize(
    "text",
    [
        "I am here. " * 5,
        "One. Two. " + "The end is near, " * 4,
        PROSE + " again again again again again",
        "春天来了。" * 4,
        PROSE + "\n" + "- item one\n- item two\n" * 6 + "- item",
    ],
)
def test_loops_are_found(text: str) -> None:
    assert is_looping(text)


@pytest.mark.parametrize(
    "text", ["", "Yes.", PROSE, "Row, row, row your boat.", "No, no, no!", "1, 2, 3, 4, 5", "天天向上"]
)
def test_prose_is_no_loop(text: str) -> None:
    assert not is_looping(text)
    assert repeated_share(text) < 0.05


def test_languages() -> None:
    assert keeps_language("Why does ice float on water?", "Because it is lighter than the water below it.") is True
    assert keeps_language("为什么冰浮在水面上?", "Because it is lighter than the water below it.") is False
    assert keeps_language("2+2?", "4") is None


def test_a_model_is_measured() -> None:
    questions = [
        Question("1", "stem", ("Why does ice float?", "And oil?")),
        Question("2", "stem", ("Hello, how are you?",)),
    ]
    answers = {
        "1": [Answer("It is lighter than water. " * 6, "length", 40), Answer("", "stop", 1)],
        "2": [Answer("the prompt is too long", "refused")],
    }
    found = measure(questions, answers)
    assert (found["answers"], found["stopped"]["mean"], found["empty"]["mean"]) == (2, 0.5, 0.5)
    assert found["looping"]["mean"] == 0.5
    assert found["tokens"]["mean"] == 20.5
    saved = measure(questions, saved_answers({"1": ["a b", "c d"], "2": ["e f"]}, questions))
    assert saved["stopped"] is None
    assert saved["answers"] == 3


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        ({"check": "words_at_most", "n": 2}, "two words", "three words here"),
        ({"check": "words_at_least", "n": 2}, "two words", "one"),
        ({"check": "characters_at_most", "n": 4}, "长 城很长", "长城非常长"),
        ({"check": "bullets", "n": 2}, "- a\n- b", "- a\n- b\n- c"),
        ({"check": "numbered", "n": 2}, "1. a\n2. b", "1. a"),
        ({"check": "paragraphs", "n": 2}, "a\n\nb", "a\nb"),
        ({"check": "lower_case"}, "quiet", "Loud"),
        ({"check": "upper_case"}, "LOUD", "Loud"),
        ({"check": "contains", "texts": ["x"]}, "x y", "y"),
        ({"check": "avoids", "texts": [","]}, "a b", "a, b"),
        ({"check": "avoids_words", "words": ["buy"]}, "buying", "Buy it"),
        ({"check": "word_times", "word": "leaf", "n": 2}, "Leaf, leaf", "leaf leaflet"),
        ({"check": "starts_with", "text": "Because"}, "Because so", "So because"),
        ({"check": "ends_with", "text": "!"}, "so!", "so"),
        ({"check": "one_of", "texts": ["yes", "no"]}, "Yes.", "Yes, it is."),
        ({"check": "one_of", "texts": ["是", "不是"]}, "不是。", "鲸鱼不是鱼"),
        ({"check": "in_quotes"}, '"Hello."', "Hello."),
        ({"check": "json_keys", "keys": ["a"]}, '```json\n{"a": 1}\n```', '{"b": 1}'),
        ({"check": "json_list", "n": 2}, "[1, 2]", "[1]"),
        ({"check": "separated", "mark": "***", "n": 2}, "a\n***\nb", "a *** b"),
        (
            {"check": "language", "code": "es"},
            "Me gusta mucho la nieve del invierno.",
            "I like the snow of winter a lot.",
        ),
    ],
)
def test_instructions_are_checked(check: dict[str, object], good: str, bad: str) -> None:
    assert passes(check, good)
    assert not passes(check, bad)
    assert not passes(check, "  ")


def test_every_instruction_of_this_project_is_known_and_counted() -> None:
    instructions = own_instructions()
    assert len(instructions) >= 25
    graded = grade_instructions(instructions, {one.id: "" for one in instructions})
    assert graded["prompts_strict"]["mean"] == 0
    one = [Instruction("1", "Say yes.", ({"check": "one_of", "texts": ["yes"]}, {"check": "lower_case"}))]
    graded = grade_instructions(one, {"1": "Sure:\n**yes**"})
    assert (graded["prompts_strict"]["mean"], graded["prompts_loose"]["mean"], graded["checks_loose"]["n"]) == (0, 1, 2)
    assert "yes" in variants("Sure:\n**yes**")
