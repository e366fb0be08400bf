import pytest

from data_tools.synthesize import eliminators, filters

LEAKS = ("given prompt", "横线之间")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Name three birds of the coast.", ""),
        ("Sing a song.", "too_short"),
        (" ".join(["word"] * 151), "too_long"),
        ("Sketch a diagram of a pump.", "not_for_text"),
        ("Explain what a bitmap is to me.", ""),
        ("Go to the shop and buy milk.", "not_for_text"),
        ("Write a program that adds two numbers.", "bad_start"),
        ("(continued) Name three birds of prey.", "bad_start"),
        ("Éclairs: how are they made at home?", "other_language"),
        ("写一首关于春天的诗歌", "other_language"),
        ("I'm sorry, I cannot invent any tasks.", "refusal"),
        ("As an AI language model, name three birds.", "refusal"),
        ("Make the given prompt a little harder.", "prompt_leak"),
    ],
)
def test_english_instructions(text: str, rule: str) -> None:
    # one Chinese text without spaces is one word to Self-Instruct's rule
    expected = "too_short" if text.startswith("写") else rule
    assert filters.instruction_rule(text, language="en", leaks=LEAKS) == expected


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("写一首关于春天的诗歌", ""),
        ("写首诗", "too_short"),
        ("写" * 301, "too_long"),
        ("根据图片写一段文字", "not_for_text"),
        ("编写一个程序计算阶乘", "bad_start"),
        ("，写一首关于春天的诗", "bad_start"),
        ("Name three birds of prey.", "other_language"),
        ("对不起，我无法提供任务", "refusal"),
        ("改写横线之间的指令吧", "prompt_leak"),
    ],
)
def test_chinese_instructions(text: str, rule: str) -> None:
    assert filters.instruction_rule(text, language="zh", leaks=LEAKS) == rule


@pytest.mark.parametrize(
    ("given", "output", "rule"),
    [
        ("2, 3", "5", ""),
        ("", "5", ""),
        ("2, 3", "", "no_output"),
        ("2, 3", " 2, 3 ", "output_equals_input"),
        ("Numbers:", "5", "ends_in_colon"),
        ("2, 3", "它们的和是：", "ends_in_colon"),
        ("2, 3", "Sorry, I cannot add.", "refusal"),
        ("[insert numbers here]", "5", "placeholder"),
        ("2, 3", "...", "placeholder"),
    ],
)
def test_instances(given: str, output: str, rule: str) -> None:
    assert filters.instance_rule(given, output) == rule


def test_instances_of_one_instruction_together() -> None:
    pairs = [("1", "a"), ("2", "b"), ("1", "a"), ("3", ""), ("4", "d"), ("5", "e")]
    assert filters.instance_rules(pairs, most=3) == ["", "", "repeated_instance", "no_output", "", "more_than_asked"]
    no_input = [("", "a"), ("", "b")]
    assert filters.instance_rules(no_input, most=5) == ["", ""]  # without an input, two answers are no contradiction


@pytest.mark.parametrize(
    ("child", "rule"),
    [
        ("Name two birds that cannot fly.", ""),
        ("  name two birds", "equal_to_parent"),
        ("Rewrite the given prompt: name two birds.", "prompt_copied"),
        ("...", "no_instruction"),
        ("", "no_instruction"),
    ],
)
def test_evolved_instructions(child: str, rule: str) -> None:
    assert eliminators.instruction_rule(child, "Name two birds.", leaks=LEAKS) == rule


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        ("Kiwi and ostrich.", ""),
        ("Sorry, I do not know any birds.", "evasive_reply"),
        ("抱歉，我不知道。", "evasive_reply"),
        ("The word sorry has five letters. " + "It is old. " * 30, ""),
        ("这个词是“抱歉”，" + "它有很长的历史。" * 25, ""),
        ("", "empty_reply"),
        (" ... !!", "empty_reply"),
        ("And so it is, of the.", "empty_reply"),
        ("是的，那就这。", "empty_reply"),
        ("No", ""),
        ("7", ""),
    ],
)
def test_replies(reply: str, rule: str) -> None:
    assert eliminators.reply_rule(reply) == rule
