"""The report: its figures, and as a page that its data cannot harm."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from data_tools.synthesize.client import Sampling
from data_tools.synthesize.diversity import diversity
from data_tools.synthesize.records import Kept, Origin, Outcome, Reject, Step
from data_tools.synthesize.report import write_report
from data_tools.synthesize.seed_tasks import Seed
from data_tools.synthesize.store import Reply
from data_tools.synthesize.verbs import family_of, verb_and_object

STEP = Step("en/tasks version 1", Sampling(64, 1.0), Reply("k" * 64, "", "stop", 1, 1, "m", 0.0))
SEEDS = [Seed("s1", "Write a poem about rain.", "", "Drip.")]
HOSTILE = "</script><img src=x onerror=window.hit=1><script>window.hit=1</script>"


def evolved(number: int, instruction: str, rule: str = "") -> Kept | Reject:
    parent = f"evol-1-{number - 1}" if number > 1 else "s1"
    details = {"operation": "deepen", "round": number, "parent": parent}
    origin = Origin("evol-instruct", f"evol-1-{number}", ("s1",), (STEP,), details)
    return Reject(rule, instruction, origin) if rule else Kept(origin.task, instruction, "", "An answer.", origin)


@pytest.fixture
def outcome() -> Outcome:
    made = Outcome(tasks=1, begun=True)
    for result in (
        evolved(1, "Write a poem about rain in autumn."),
        evolved(2, f"Translate the word into {HOSTILE}."),
        evolved(3, HOSTILE, "equal_to_parent"),
    ):
        made.add(result)
    return made


def test_the_figures(outcome: Outcome) -> None:
    measured = diversity(outcome, SEEDS)
    plots = {plot.title: dict(plot.bars) for plot in measured.plots}
    assert plots["Task families"] == {"generation": 1, "conversion": 1}
    assert plots["Verbs with their objects"] == {"write poem": 1, "translate word": 1}
    assert plots["Rounds"] == {"round 1": 1, "round 2": 1}
    assert plots["Rejected"] == {"equal to parent": 1}
    assert plots["Likeness to the nearest seed"]["0.8 to 0.9"] == 1
    assert sum(plots["Length of instructions"].values()) == 2
    assert plots["Languages"].keys() <= {"en", "es", "unknown"}


def test_an_evolved_record_that_opens_with_no_verb_has_its_seeds_family() -> None:
    made = Outcome(tasks=1, begun=True)
    made.add(evolved(1, "Rain, autumn and a river: eight lines, please."))
    assert next(plot for plot in diversity(made, SEEDS).plots if plot.title == "Task families").bars == [
        ("generation", 1)
    ]


def test_an_outcome_without_records_has_no_plots_but_the_reasons() -> None:
    empty = Outcome()
    assert diversity(empty, SEEDS).plots == []
    empty.add(evolved(1, "x", "too_short"))
    assert [plot.title for plot in diversity(empty, SEEDS).plots] == ["Rejected"]


@pytest.mark.parametrize(
    ("instruction", "verb", "noun", "family"),
    [
        ("Could you list the three largest cities of Peru?", "list", "city", "generation"),
        ("Calculate the area of a circle.", "calculate", "area", "reasoning"),
        ("What is the capital of Peru?", "what", "", "understanding"),
        ("Reply to a customer who is angry.", "reply", "", "dialogue"),
        ("请把下面的句子改成被动句。", "把", "", "conversion"),
        ("Fantastic!", "", "", "other"),
        ("", "", "", "other"),
    ],
)
def test_verbs_objects_and_families(instruction: str, verb: str, noun: str, family: str) -> None:
    assert (*verb_and_object(instruction), family_of(instruction)) == (verb, noun, family)


@pytest.mark.browser
class TestPage:
    @pytest.fixture
    def page(self, chromium: Browser, outcome: Outcome, tmp_path: Path) -> Iterator[Page]:
        write_report(tmp_path, outcome, SEEDS, {"method": "evol-instruct", "model": HOSTILE})
        page = chromium.new_page(viewport={"width": 400, "height": 900})
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto((tmp_path / "report.html").as_uri())
        yield page
        page.close()

    def test_everything_is_shown_as_text(self, page: Page) -> None:
        assert page.locator("#totals strong").all_text_contents()[:2] == ["2", "1"]
        assert page.locator(".tree .badge").all_text_contents() == ["kept", "kept", "equal to parent"]
        assert page.locator(".tree ul ul ul ul").count() == 0
        for tab in ("records", "rejected", "origin"):
            page.locator(f"#tab-{tab}").click()
            for details in page.locator("details:visible").all():
                details.locator("summary").click()
        page.locator("#tab-rejected").click()
        assert HOSTILE in page.locator("#view-rejected .text").all_inner_texts()
        assert page.evaluate("window.hit") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        assert self.complaints == []
