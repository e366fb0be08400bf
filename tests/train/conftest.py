"""A tiny model and its windows, written once a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.train import tiny


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def data_directory(tmp_path_factory: pytest.TempPathFactory, model_directory: Path) -> Path:
    return tiny.write_data(tmp_path_factory.mktemp("tiny") / "data", model=model_directory)


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny products gain nothing from more threads, which wait for one another on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
