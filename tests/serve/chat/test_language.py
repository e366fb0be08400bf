import json

import pytest

from serve.chat.language import NAMES, choose, label, texts_of


def test_every_language_has_the_same_texts() -> None:
    assert {texts_of(language).keys() for language in NAMES} == {texts_of("en").keys()}


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ({}, "en"),
        ({"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}, "zh"),
        ({"accept-language": "fr,en;q=0.5"}, "en"),
        ({"accept-language": "zh", "cookie": "a=b; chaku_language=en"}, "en"),
        ({"cookie": "chaku_language=../../x"}, "en"),
        ({"cookie": "[]"}, "en"),
    ],
)
def test_the_cookie_decides_then_what_the_browser_accepts(headers: dict[str, str], language: str) -> None:
    assert choose(headers).language == language


def test_labels_are_translated_inside_a_pages_json() -> None:
    page = json.dumps({"value": label("page.send"), "other": "[[no label]]"})
    assert json.loads(texts_of("zh").translate(page)) == {"value": "发送", "other": "[[no label]]"}
