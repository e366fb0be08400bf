from pathlib import Path

import pytest

from serve.chat.language import choose
from serve.chat.store import conversations, messages
from serve.chat.store.database import open_database
from serve.chat.turn_html import branch_html


@pytest.mark.parametrize(("second", "named"), [("guanaco", True), ("vicugna", False)])
def test_models_are_named_where_several_spoke(second: str, named: bool, tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'chat.sqlite'}")
    made = conversations.create(engine, "", model="vicugna", settings={}).id
    for model in ("vicugna", second):
        messages.add(engine, "", made, role="user", content="Hello")
        messages.add(engine, "", made, role="assistant", content="Hi", model=model)
    html = branch_html(messages.branch(engine, "", made), choose({}), url_of=lambda _: "http://127.0.0.1:9/v1")
    shown = [f'<span class="figures">{model}</span>' for model in ("vicugna", second)]
    assert all((one in html) == named for one in shown)
