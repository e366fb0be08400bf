import sys
from dataclasses import replace
from pathlib import Path

import pytest

from data_tools.prepare import Options, prepare
from templates import InputError

SAMPLE = Path(__file__).parents[2] / "examples" / "sharegpt_sample.json"


@pytest.mark.e2e
def test_ray_gives_the_same_bytes(small_model: Path, tmp_path: Path) -> None:
    options = Options(
        inputs=(SAMPLE,), model=str(small_model), template="vicuna_v1.1", out=tmp_path / "here", workers=1, held_out=0
    )
    prepare(options)
    prepare(replace(options, out=tmp_path / "ray", engine="ray"))
    paths = [path for path in sorted(options.out.rglob("*")) if path.is_file() and path.name != "manifest.json"]
    assert len(paths) > 3
    for path in paths:
        assert path.read_bytes() == (tmp_path / "ray" / path.relative_to(options.out)).read_bytes(), path


def test_without_ray_one_line_says_what_to_install(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    options = Options(
        inputs=(SAMPLE,), model=str(small_model), template="vicuna_v1.1", out=tmp_path / "o", engine="ray"
    )
    with pytest.raises(InputError, match=r'--engine ray needs Ray Data: pip install "chaku\[ray\]"'):
        prepare(options)
    assert list(tmp_path.iterdir()) == []
