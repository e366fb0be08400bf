"""Fixtures that every room's tests share."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


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
