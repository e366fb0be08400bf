import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.inspect.collect import Content
from data_tools.inspect.page import to_page, write_page
from templates import InputError
from tests.data_tools.inspect.conftest import PAYLOADS


@given(st.text() | st.sampled_from(PAYLOADS))
def test_data_survives_and_never_ends_its_element(text: str) -> None:
    page = to_page(Content({"text": text}, [], [], []))
    [block] = re.findall(r'<script type="application/json" id="overview">(.*?)</script>', page, re.DOTALL)
    assert json.loads(block) == {"text": text}
    assert not set("<>&") & set(block)
    page.encode()


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        write_page(Content({}, [], [], []), tmp_path)
    write_page(Content({}, [], [], []), tmp_path / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
