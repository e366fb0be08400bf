import doctest

from data_tools import html_page
from data_tools.html_page import assemble


def test_data_can_neither_end_its_element_nor_name_a_place() -> None:
    data = {"a": "</script><script>alert(1)</script>", "b": "$script \u2028 \ud800"}
    html = "<p>$policy</p><style>$style</style>$data<script>$script</script>"
    page = assemble(html=html, styles=["p {}"], scripts=["'use strict'"], data=data)
    assert page.count("<script") == 3
    assert "alert(1)" in page
    assert "$script \\u2028 \\ud800" in page
    page.encode("utf-8")
    assert "require-trusted-types-for" in page


def test_worked_examples() -> None:
    assert doctest.testmod(html_page).failed == 0
