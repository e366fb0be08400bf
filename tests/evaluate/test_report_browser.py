"""The report's page: what models and judges write is text in it, and its filters find what they name."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from evaluate.answers import Answer
from evaluate.judge import Judgement
from evaluate.judging import Judged, Pair
from evaluate.models import Model
from evaluate.questions import Question
from evaluate.report import to_page, write_page
from evaluate.results import build

pytestmark = pytest.mark.browser
PAYLOADS = [
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "<!--<script>",
    "javascript:window.hit=1",
    "$script ${data} {{7*7}} \u2028 \u202e \ud800",
    "<iframe srcdoc='<script>parent.hit=1</script>'>",
]


def hostile() -> dict[str, Any]:
    """A report in which every text is a payload."""
    models = [Model(f"{PAYLOADS[2]} {number}", PAYLOADS[0]) for number in range(2)]
    questions = []
    judged = Judged(PAYLOADS[3], structured=False, grades=[[], []])
    for number, payload in enumerate(PAYLOADS):
        name = f"{number} {payload}"
        questions.append(Question(name, payload, (payload, payload), (payload, payload)))
        for place, model in enumerate(models):
            model.answers[name] = [
                Answer(payload, "stop", 3),
                Answer(payload, "refused" if number == 1 else "length", 4),
            ]
            value = None if number == 2 else float(number % 5 + 3 + place)
            judged.grades[place].append(Judgement(name, 1, value, payload, [payload, payload], payload))
        sides = [Judgement(name, 1, value, "", [payload], payload) for value in ("A", "B" if number % 2 else "A")]
        judged.pairs.append(Pair(name, 1, *sides))
    return build(questions=questions, models=models, judged=[judged], settings={PAYLOADS[0]: PAYLOADS[1]})


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    yield page
    page.close()


def test_nothing_of_an_answer_or_a_verdict_runs_or_loads(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_page(hostile(), path)
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(path.as_uri())
    for row in page.locator("#list button").all():
        row.click()
        for summary in page.locator("#detail details summary").all():
            summary.click()
    for tab in ("categories", "trust", "checks", "failures", "origin"):
        page.locator(f"#tab-{tab}").click()
    assert page.evaluate("window.hit") is None
    assert requests == [path.as_uri()]
    assert complaints == []
    assert page.locator("img, iframe, link, base, a, object, embed, form, [onload], [onerror]").count() == 0
    assert page.locator("script:not([type])").count() == 1


def test_payloads_are_shown_letter_by_letter_and_filters_find(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    results = hostile()
    write_page(results, path)
    page.goto(path.as_uri())
    assert page.locator("#summary").text_content() == results["summary"]
    assert page.locator("#detail .side .text").first.text_content() == PAYLOADS[0]
    found = page.locator("#found")
    for outcome, count in (("failed", 2), ("win", 4), ("tie", 4), ("order", 4), ("limit", 7)):
        page.get_by_label("Outcome").select_option(outcome)
        assert found.text_content() == f"{count} of 8 questions", outcome
    page.get_by_label("Outcome").select_option("")
    page.get_by_label("Search questions and answers").fill("{{7*7}}")
    page.get_by_text("1 of 8 questions").wait_for()
    page.locator("#list button").click()
    assert page.url.endswith("#6")


def test_the_policy_stops_a_script_even_where_escaping_failed(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    forced = to_page(hostile()).replace("<main>", "<main><script>window.hit=1</script>", 1)
    path.write_text(forced, encoding="utf-8")
    page.goto(path.as_uri())
    assert page.evaluate("window.hit") is None


def test_a_report_without_a_judge_is_whole(page: Page, tmp_path: Path) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    model = Model("m", "http://x", {"1": [Answer("Fine.", "stop", 2)]})
    results = build(questions=[Question("1", "stem", ("How?",))], models=[model], judged=[], settings={})
    write_page(json.loads(json.dumps(results)), tmp_path / "report.html")
    page.goto((tmp_path / "report.html").as_uri())
    page.locator("#tab-trust").click()
    page.locator("#view-trust").get_by_text("No judge was asked.").wait_for()
    assert complaints == []
