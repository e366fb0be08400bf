"""The page: whole, quiet, quick, and deaf to what its data says."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from data_tools.inspect.collect import Content, collect
from data_tools.inspect.page import to_page, write_page
from data_tools.prepared import Prepared
from tests.data_tools.inspect.conftest import PAYLOADS

pytestmark = pytest.mark.browser


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    yield page
    page.close()


@pytest.fixture(scope="module")
def sample_page(sample_content: Content, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "sample.html"
    write_page(sample_content, path)
    return path.as_uri()


def test_nothing_of_the_data_runs_or_loads(hostile: Prepared, small_model: Path, page: Page, tmp_path: Path) -> None:
    write_page(collect(hostile, model=str(small_model), most=500), tmp_path / "page.html")
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto((tmp_path / "page.html").as_uri())
    for row in page.locator("#list button").all():
        row.click()
        for view in ("Tokens", "Before and after"):
            page.get_by_role("button", name=view, exact=True).click()
    for tab in ("rejected", "cleaning", "origin"):
        page.locator(f"#tab-{tab}").click()
        for details in page.locator("details:visible").all():
            details.locator("summary").click()
    page.locator("#tab-conversations").click()
    page.get_by_label("Search ids and texts").fill("<script>window.hit")
    page.get_by_text(re.compile(r"^2 of \d+ conversations")).wait_for()
    assert page.evaluate("window.hit") is None
    assert requests == [(tmp_path / "page.html").as_uri()]
    assert complaints == [], "the page's policy had nothing to forbid: every payload was text"
    assert page.locator("img, iframe, link, base, a, object, embed, form, [onfocus], [onload], [onerror]").count() == 0
    assert page.locator("script:not([type])").count() == 1
    assert page.locator("meta").count() == 4


def test_payloads_are_shown_letter_by_letter(hostile: Prepared, small_model: Path, page: Page, tmp_path: Path) -> None:
    content = collect(hostile, model=str(small_model), most=500)
    write_page(content, tmp_path / "page.html")
    page.goto((tmp_path / "page.html").as_uri())
    page.get_by_role("button", name="Before and after", exact=True).click()
    shown = page.locator("#detail .text").all_text_contents()
    turns = content.conversations[0]["turns"]
    texts = [text for turn in turns for text in (turn.get("before"), turn["after"]) if text is not None]
    assert shown == [text or "nothing" for text in texts]
    assert page.locator("#made").text_content().startswith(content.overview["template"])  # type: ignore[union-attr]


def test_the_policy_stops_a_script_even_where_escaping_failed(
    sample_content: Content, page: Page, tmp_path: Path
) -> None:
    forced = to_page(sample_content).replace("<main>", f"<main>{PAYLOADS[2]}<script>window.hit=1</script>", 1)
    (tmp_path / "page.html").write_text(forced, encoding="utf-8")
    requests: list[str] = []
    page.on("requestfinished", lambda request: requests.append(request.url))
    page.goto((tmp_path / "page.html").as_uri())
    assert page.locator("#list li").count() == 103
    assert page.evaluate("window.hit") is None
    with pytest.raises(Exception, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = '<b>x</b>'")
    assert requests == [(tmp_path / "page.html").as_uri()]


def test_tokens_are_coloured_by_kind(sample_content: Content, sample_page: str, page: Page) -> None:
    page.goto(sample_page)
    first = sample_content.conversations[0]["documents"][0]
    assert page.locator("#detail .tokens").first.locator("span").count() == len(first["spans"])
    assert page.locator("#detail .tokens .supervised").count() == sum(first["runs"][1::2])
    stop = page.locator("#detail .tokens .supervised.control").first
    assert stop.text_content() == "<|im_end|>"
    assert stop.get_attribute("title") == "2 supervised"


def test_search_filters_and_order(sample_content: Content, sample_page: str, page: Page) -> None:
    page.goto(sample_page)
    listed = sample_content.overview["list"]
    page.get_by_label("Rule").select_option("leading_reply")
    expected = [one["summary"] for one in listed if "leading_reply" in one["rules"]]
    assert page.locator("#list .summary").all_text_contents() == expected
    page.get_by_label("Rule").select_option("")
    page.get_by_label("Part").select_option("held_out")
    assert page.locator("#list li").count() == sum(one["part"] == "held_out" for one in listed)
    page.get_by_label("Part").select_option("")
    page.get_by_label("Order").select_option("tokens")
    longest = max(listed, key=lambda one: one["tokens"])
    assert page.locator("#list .summary").first.text_content() == longest["summary"]
    page.get_by_label("Search ids and texts").fill(longest["id"].upper())
    page.get_by_text(re.compile(r"^1 of 103 conversations")).wait_for()
    page.locator("#list button").click()
    assert page.locator("#detail h2").text_content() == longest["id"]


def test_500_conversations_open_in_under_two_seconds(sample_content: Content, page: Page, tmp_path: Path) -> None:
    times = 5
    overview = sample_content.overview | {"list": (sample_content.overview["list"] * times)[:500]}
    many = replace(sample_content, overview=overview, conversations=(sample_content.conversations * times)[:500])
    write_page(many, tmp_path / "page.html")
    page.goto((tmp_path / "page.html").as_uri())
    assert page.locator("#list li").count() == 500
    assert page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") < 2000


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_the_page_fits_in_light_and_dark(width: int, scheme: str, sample_page: str, chromium: Browser) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(sample_page)
    for tab in ("rejected", "cleaning", "origin", "conversations"):
        page.locator(f"#tab-{tab}").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(251, 249, 244)", "dark": "rgb(25, 22, 19)"}[scheme]
    page.close()
