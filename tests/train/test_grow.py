"""A grown base: old tokens keep their logits, new ones are control tokens, and the road goes on from it."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from templates.errors import InputError
from templates.loading import load_encoder
from tests.train.test_lora import base_model, logits
from train.cli import main
from train.grow import grow
from train.lora import refuse_untrained_stop

TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, model_directory: Path) -> Path:
    out = tmp_path_factory.mktemp("grown") / "base"
    assert main(["grow", str(model_directory), "--template", "chatml", "--out", str(out)]) == 0
    return out


def test_old_tokens_keep_their_logits_and_rows_fill_up_to_64(grown: Path, model_directory: Path) -> None:
    ours, theirs = logits(base_model(grown)), logits(base_model(model_directory))
    assert ours.shape[-1] == 320
    torch.testing.assert_close(ours[..., :258], theirs, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours[..., 258:], theirs.mean(-1, keepdim=True).expand_as(ours[..., 258:]))


def test_the_new_tokens_are_control_tokens_of_the_format(grown: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(grown)
    encoder = load_encoder("chatml", grown)
    assert encoder.stop_ids == [tokenizer.convert_tokens_to_ids("<|im_end|>")] == [259]
    [encoded] = encoder.encode([TALK])
    assert 258 in encoded.ids
    assert AutoModelForCausalLM.from_pretrained(grown).config.vocab_size == 320


def test_a_base_that_lacks_nothing_and_a_place_that_is_taken_are_refused(grown: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has every control token of chatml"):
        grow(str(grown), tmp_path / "again", template="chatml")
    with pytest.raises(InputError, match="is there already"):
        grow(str(grown), grown, template="chatml")


def test_adapters_alone_cannot_learn_to_stop_with_a_new_token(grown: Path, model_directory: Path) -> None:
    grown_model = AutoModelForCausalLM.from_pretrained(grown)
    with pytest.raises(InputError, match=r"stop token \(id 259\) is as untrained as other new tokens"):
        refuse_untrained_stop(grown_model, [259])
    refuse_untrained_stop(AutoModelForCausalLM.from_pretrained(model_directory), [1])
