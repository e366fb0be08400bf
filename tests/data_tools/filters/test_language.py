import json
from pathlib import Path

import pytest

from data_tools.filters.language import UNKNOWN, LanguageFilter, language_of
from templates import Message, Role


def said(text: str, role: Role = "user") -> Message:
    return Message(role=role, content=text)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I bake bread without yeast at home?", "en"),
        ("怎样在家里不用酵母烤面包？", "zh"),
        ("イーストなしで家でパンを焼くにはどうすればいいですか？", "ja"),
        ("집에서 이스트 없이 빵을 굽는 방법은 무엇인가요?", "ko"),
        ("¿Cómo puedo hornear pan sin levadura en casa?", "es"),
        ("Comment puis-je faire du pain sans levure à la maison ?", "fr"),
        ("Как испечь хлеб без дрожжей дома?", "ru"),
        ("كيف أخبز الخبز بدون خميرة في المنزل؟", "ar"),
        ("ok", UNKNOWN),
        ("12 + 30 = 42; 7 * 6 = 42", UNKNOWN),
        ("😀😀😀", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert language_of([said(text)]) == language


def test_code_and_system_prompts_have_no_say() -> None:
    code = "```python\n" + "for item in the_list_of_all_items:\n    print(item)\n" * 20 + "```"
    messages = [said("You are a helpful assistant. " * 9, "system"), said("请解释下面的代码"), said(code, "assistant")]
    assert language_of(messages) == "zh"


def test_a_long_pasted_text_does_not_outvote_the_talk() -> None:
    talk = [said("Fasse das bitte in drei Sätzen zusammen und sage, was fehlt."), said("Gern, hier ist es: " * 8)]
    assert language_of([said("The quick brown fox jumps over the dog. " * 400), *talk, *talk, *talk]) == "de"


def test_unknown_is_kept_unless_asked() -> None:
    assert LanguageFilter(["en"]).decide(["en", "fr", UNKNOWN])[2] is None
    verdict = LanguageFilter(["en"], keep_unknown=False).decide([UNKNOWN])[0]
    assert verdict is not None
    assert verdict.because == UNKNOWN


def test_real_text_of_two_languages(shared_data: Path) -> None:
    for name, language in (("alpaca_zh_1000.json", "zh"), ("alpaca_en_999.json", "en")):
        records = json.loads((shared_data / "alpaca" / name).read_text())[:300]
        found = [language_of([said(one["instruction"]), said(one["output"])]) for one in records]
        assert sum(code in (language, UNKNOWN) for code in found) >= 0.97 * len(found), name
