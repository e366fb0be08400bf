"""The filters of Self-Instruct and Alpaca: each names its rule.

Thresholds: Self-Instruct (arXiv 2212.10560, section 2.2) and its code (bootstrap_instructions.py,
prepare_for_finetuning.py), and Alpaca's generate_instruction.py, which filter alike. What is our own says so.
"""

import re
import string
from collections.abc import Iterable, Sequence

from data_tools.synthesize.similarity import tokenize

# Of words: more than 3, at most 150. Chinese is counted by characters, of which two make about a word (ours).
FEWEST_WORDS, MOST_WORDS = 4, 150
_FEWEST_CHARACTERS, _MOST_CHARACTERS = 4, 300
# Alpaca's list, which is Self-Instruct's and six words more; the Chinese one is ours.
_NOT_FOR_TEXT = {
    "en": re.compile(
        r"\b(images?|graphs?|pictures?|files?|maps?|draw|plot|go to|video|audio|music|flowchart|diagram)\b",
        re.IGNORECASE,
    ),
    "zh": re.compile(
        r"图片|图像|照片|图表|流程图|示意图|画(?:一|出|幅|张)|绘制|视频|音频|播放|文件|地图|截图|上网|打开网"
    ),
}
_BAD_START = {"en": "Write a program", "zh": "编写一个程序"}
_PUNCTUATION = frozenset(string.punctuation + "，。！？、；：…—·「」《》（）")
# Ours: what a model says of itself instead of a task or an answer to it.
_REFUSAL = re.compile(
    r"^\W*(?:i(?:'m| am) (?:sorry|unable)|sorry,|i (?:cannot|can't|can not)|as an ai\b|as a language model"
    r"|(?:很|非常)?(?:抱歉|对不起)|作为(?:一个|一名)?(?:人工智能|AI|语言模型))",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"[\[<{](?:insert|your|input|instruction|text|name|output)\b[^\]>}]*[\]>}]|……|\.\.\.\s*\Z", re.I
)
_HAN = re.compile(r"[㐀-䶿一-鿿]")


def instruction_rule(text: str, *, language: str, leaks: Iterable[str]) -> str:
    """The rule that rejects an instruction, or nothing. `leaks` are phrases of our prompts, which none should hold.

    >>> instruction_rule("Draw a map of Spain for me.", language="en", leaks=())
    'not_for_text'
    """
    size, chinese = len(tokenize(text)) if language == "zh" else len(text.split()), language == "zh"
    if size < (_FEWEST_CHARACTERS if chinese else FEWEST_WORDS):
        return "too_short"
    if size > (_MOST_CHARACTERS if chinese else MOST_WORDS):
        return "too_long"
    if _NOT_FOR_TEXT[language].search(text):
        return "not_for_text"
    own_language = bool(_HAN.search(text)) if chinese else text[0].isascii()
    broken = {
        "bad_start": text.startswith(_BAD_START[language]) or text[0] in _PUNCTUATION,
        "other_language": not own_language,
        "refusal": is_refusal(text),
        "prompt_leak": leaks_in(text, leaks),
    }
    return next((rule for rule, holds in broken.items() if holds), "")


def instance_rule(given: str, output: str) -> str:
    """The rule that rejects an input and its output, or nothing.

    >>> instance_rule("2, 3", "2, 3"), instance_rule("2, 3", "The sum is:"), instance_rule("2, 3", "5")
    ('output_equals_input', 'ends_in_colon', '')
    """
    if not output.strip():
        return "no_output"
    if output.strip() == given.strip():
        return "output_equals_input"
    if given.rstrip().endswith((":", "：")) or output.rstrip().endswith((":", "：")):
        return "ends_in_colon"
    if is_refusal(output):
        return "refusal"
    return "placeholder" if _PLACEHOLDER.fullmatch(given.strip()) or _PLACEHOLDER.fullmatch(output.strip()) else ""


def instance_rules(pairs: Sequence[tuple[str, str]], *, most: int) -> list[str]:
    """A rule for each (input, output) of one instruction, or nothing.

    Where one input has two outputs, none of them is trusted; what is repeated is kept once; at most `most` are kept.

    >>> instance_rules([("2, 3", "5"), ("2, 3", "6"), ("1, 1", "2")], most=5)
    ['same_input_other_output', 'same_input_other_output', 'same_input_other_output']
    """
    outputs: dict[str, set[str]] = {}
    rules = [instance_rule(given, output) for given, output in pairs]
    for (given, output), rule in zip(pairs, rules, strict=True):
        if given and not rule:
            outputs.setdefault(given, set()).add(output)
    contradictory = any(len(held) > 1 for held in outputs.values())
    seen: set[tuple[str, str]] = set()
    for at, pair in enumerate(pairs):
        if rules[at]:
            continue
        if contradictory:
            rules[at] = "same_input_other_output"
        elif pair in seen:
            rules[at] = "repeated_instance"
        elif len(seen) == most:
            rules[at] = "more_than_asked"
        else:
            seen.add(pair)
    return rules


def is_refusal(text: str) -> bool:
    """Whether a text begins as models do when they will not do it."""
    return bool(_REFUSAL.match(text))


def leaks_in(text: str, leaks: Iterable[str]) -> bool:
    """Whether a text holds a phrase of the prompt that made it."""
    lowered = " ".join(text.lower().split())
    return any(leak.lower() in lowered for leak in leaks)
