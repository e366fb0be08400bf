"""Awkward replies: numbering lost, cut tails, half JSON, fences, other labels, Chinese."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.synthesize import parsing
from data_tools.synthesize.parsing import Task


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. Name a bird.\n2. Add 2 and 3.", ["Name a bird.", "Add 2 and 3."]),
        ("Here are some tasks:\n\n1) Name a bird.\n2) Add 2 and 3.", ["Name a bird.", "Add 2 and 3."]),
        ("Name a bird.\n2. Add 2 and 3.\n3. Sing.", ["Name a bird.", "Add 2 and 3.", "Sing."]),
        ("Name a bird.\n\nAdd 2 and 3.", ["Name a bird.", "Add 2 and 3."]),
        ("- Name a bird.\n- Add 2\n  and 3.", ["Name a bird.", "Add 2 and 3."]),
        ("**1.** Name a bird.\n**2.** Add 2 and 3.", ["Name a bird.", "Add 2 and 3."]),
        ("Task 1: Name a bird.\nTask 2: Add 2 and 3.", ["Name a bird.", "Add 2 and 3."]),
        ('1. "Name a bird."\n2. “Add 2 and 3.”', ["Name a bird.", "Add 2 and 3."]),
        ("1、说出一种鸟。\n2、把2和3相加。", ["说出一种鸟。", "把2和3相加。"]),
        ("任务1：说出一种鸟。\n任务2：把2和3相加。", ["说出一种鸟。", "把2和3相加。"]),
        ('```json\n{"instructions": ["Name a bird.", "Add 2 and 3."]}\n```', ["Name a bird.", "Add 2 and 3."]),
        ('["Name a bird.", "Add 2\\nand 3.", 7]', ["Name a bird.", "Add 2 and 3."]),
        ("", []),
        ("Sure! Here you go:", []),
    ],
)
def test_instructions(text: str, expected: list[str]) -> None:
    assert parsing.instructions(text, cut=False) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. Name a bird.\n2. Add 2 an", ["Name a bird."]),
        ("1. Name a bi", []),
        ('{"instructions": ["Name a bird.", "Add 2 an', ["Name a bird."]),
        ('{"instructions": ["Name a bi', []),
        ('```json\n["Name a bird.", "Add', ["Name a bird."]),
    ],
)
def test_the_tail_of_a_cut_list_is_dropped(text: str, expected: list[str]) -> None:
    assert parsing.instructions(text, cut=True) == expected


WHOLE = [Task("Add the numbers.", "2, 3", "5"), Task("Name a bird.", "", "A wren.")]


@pytest.mark.parametrize(
    "text",
    [
        "4. Instruction: Add the numbers.\n4. Input:\n2, 3\n4. Output:\n5\n###\n"
        "5. Instruction: Name a bird.\n5. Input:\n<noinput>\n5. Output:\nA wren.",
        "Instruction: Add the numbers.\nInput: 2, 3\nOutput: 5\n\n"
        "Instruction: Name a bird.\nInput: None\nOutput: A wren.",
        "Add the numbers.\n4. Input:\n2, 3\n4. Output:\n5\n###\n5. Instruction: Name a bird.\n5. Output:\nA wren.",
        "**Instruction:** Add the numbers.\n**Input:** 2, 3\n**Output:** 5\n###\n"
        "**Instruction:** Name a bird.\n**Input:** N/A\n**Output:** A wren.",
        "## Task 1: Add the numbers.\nInput: 2, 3\nOutput: 5\n\n"
        "## Task 2: Name a bird.\nInput: (none)\nOutput: A wren.",
        "指令：Add the numbers.\n输入：2, 3\n输出：5\n###\n指令：Name a bird.\n输入：无\n输出：A wren.",
        json.dumps({"tasks": [task._asdict() for task in WHOLE]}),
        '[{"instruction": "Add the numbers.", "input": "2, 3", "output": 5}, '
        '{"instruction": "Name a bird.", "output": "A wren."}]',
    ],
)
def test_tasks(text: str) -> None:
    assert parsing.tasks(text, cut=False) == WHOLE


@pytest.mark.parametrize(
    "text",
    [
        "1. Instruction: Add the numbers.\n1. Input:\n2, 3\n1. Output:\n5\n###\n2. Instruction: Name a bi",
        "1. Instruction: Add the numbers.\n1. Input:\n2, 3\n1. Output:\n5\n"
        "###\n2. Instruction: Sing.\n2. Output:\nLa l",
        '{"tasks": [{"instruction": "Add the numbers.", "input": "2, 3", "output": "5"}, {"instruction": "Na',
    ],
)
def test_the_tail_of_cut_tasks_is_dropped(text: str) -> None:
    assert parsing.tasks(text, cut=True) == WHOLE[:1]


@given(st.text(max_size=200), st.booleans())
def test_no_reply_is_too_strange(text: str, cut: bool) -> None:
    assert all(isinstance(item, str) and item for item in parsing.instructions(text, cut=cut))
    assert all(isinstance(part, str) for task in parsing.tasks(text, cut=cut) for part in task)
    assert all(len(pair) == 2 for pair in parsing.instances(text, cut=cut, output_first=True))
    parsing.rewritten(text)


@given(st.integers(0, 200))
def test_of_json_that_breaks_off_the_whole_items_are_read(length: int) -> None:
    items = [{"instruction": f"Do {n}.", "input": "", "output": '"}]'} for n in range(4)]
    text = json.dumps({"tasks": items})[:length]
    read = parsing.tasks(text, cut=True)
    assert read == [Task(f"Do {n}.", "", '"}]') for n in range(len(read))]
    assert len(read) == sum(json.dumps(item) in text for item in items)


def test_instances_of_both_orders() -> None:
    generation = "Example 1\nInput: 2, 3\nOutput: 5\nExample 2\nInput: 4, 4\nOutput: 8"
    assert parsing.instances(generation, cut=False, output_first=False) == [("2, 3", "5"), ("4, 4", "8")]
    assert parsing.instances(generation, cut=True, output_first=False) == [("2, 3", "5")]
    labels = "Class label: positive\nInput: I loved it.\n\nClass label: negative\nInput: Never again."
    assert parsing.instances(labels, cut=False, output_first=True) == [
        ("I loved it.", "positive"),
        ("Never again.", "negative"),
    ]
    alone = "Output: A wren."
    assert parsing.instances(alone, cut=False, output_first=False) == [("", "A wren.")]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        *[
            ("Yes", True),
            (" **Yes**", True),
            ("是", True),
            ("no.", False),
            ("Classification: no", False),
            ("否。", False),
        ],
        *[("不是", False), ("It depends", None), ("", None)],
    ],
)
def test_yes_or_no(text: str, verdict: bool | None) -> None:
    assert parsing.is_yes(text) is verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("Equal", True), ("Not Equal", False), ("different.", False), ("相同", True), ("不同", False), ("Hm", None)],
)
def test_the_judges_verdict(text: str, verdict: bool | None) -> None:
    assert parsing.are_equal(text) is verdict


@pytest.mark.parametrize(
    "text",
    [
        "Name two birds.",
        '"Name two birds."',
        "#Rewritten Prompt#:\nName two birds.",
        "**New instruction:** Name two birds.",
        "Rewritten instruction: Name two birds.",
        "---\nName two birds.\n---",
        "```\nName two birds.\n```",
        "改写后的指令：Name two birds.",
    ],
)
def test_what_models_put_around_an_instruction_is_taken_off(text: str) -> None:
    assert parsing.rewritten(text) == "Name two birds."


def test_a_tables_edge_is_not_taken_off() -> None:
    table = "Sort this table by age.\n\n| Name | Age |\n|---|---|\n| Ines | 34 |"
    assert parsing.rewritten(table) == table
