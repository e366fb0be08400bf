from pathlib import Path

import pytest

from data_tools.cli import main
from templates import InputError


def test_inspect_writes_one_page(sample_prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    assert main(["inspect", str(sample_prepared), "--out", str(out), "--conversations", "4"]) == 0
    assert f"wrote {out}: 4 of 103 conversations" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert "<title>Chaku data</title>" in out.read_text(encoding="utf-8")


def test_bad_input_is_named(sample_prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--conversations 0: give how many to show"):
        main(["inspect", str(sample_prepared), "--out", str(tmp_path / "page.html"), "--conversations", "0"])
    with pytest.raises(InputError, match=r"has no manifest\.json"):
        main(["inspect", str(tmp_path), "--out", str(tmp_path / "page.html")])
    assert list(tmp_path.iterdir()) == []
