"""A tiny model and its windows, written once a session."""

from pathlib import Path

import pytest

from tests.train import tiny


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def data_directory(tmp_path_factory: pytest.TempPathFactory, model_directory: Path) -> Path:
    return tiny.write_data(tmp_path_factory.mktemp("tiny") / "data", model=model_directory)
