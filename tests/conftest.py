"""Fixtures that every room's tests share."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from tests.road import Served, served_road
from tests.round_trip import Taught, taught_road

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_configure() -> None:
    """Background shells ignore SIGINT, and nohup ignores SIGHUP; what tests start shall hear both, as in a terminal."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real dumps, tokenizers and questions, which lie beside the checkout on a developer's machine and in CI."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data is not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def small_model() -> Path:
    """SmolLM2-135M-Instruct as a Hugging Face directory: a real model that fits on two cores."""
    from train.small_model import small_model

    return small_model()


@pytest.fixture(scope="session")
def smollm2_tokenizer(small_model: Path) -> PreTrainedTokenizerBase:
    """SmolLM2's byte-level tokenizer."""
    return AutoTokenizer.from_pretrained(small_model)


@pytest.fixture(scope="session")
def llama_tokenizer(shared_data: Path) -> PreTrainedTokenizerBase:
    """LLaMA's SentencePiece tokenizer."""
    return AutoTokenizer.from_pretrained(shared_data / "tokenizers" / "llama-32k")


@pytest.fixture(scope="session")
def served(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One model, made from the sample dump and served by real vLLM, for all end-to-end tests that do not end it."""
    with served_road(small_model, tmp_path_factory.mktemp("road")) as served:
        yield served


@pytest.fixture(scope="session")
def taught(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taught]:
    """A model taught by a chat with the first one, under a format that ends replies with plain text, and served too."""
    with taught_road(served, tmp_path_factory.mktemp("taught"), template="vicuna_v0") as taught:
        yield taught


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Headless Chromium, for one module, since other modules run event loops of their own.

    On CI a missing one is a failure; elsewhere the browser tests are skipped.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((path for path in map(shutil.which, names) if path), None)
    if program is None:
        reason = "no Chromium: install it with `sudo apt-get install chromium`, then run the tests again"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=quiet)
        yield browser
        browser.close()
