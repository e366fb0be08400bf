import pytest

from templates.errors import InputError
from tests.train import tiny
from train.freeze import freeze


def trained(pattern: str) -> set[str]:
    model = tiny.tiny_llama()
    freeze(model, pattern)
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


def test_parameters_whose_names_match_keep_their_values() -> None:
    left = trained("embed_tokens|layers.[0-0].")
    assert left
    assert not [name for name in left if "embed_tokens" in name or "layers.0." in name]
    assert len([name for name in left if "layers.1." in name]) == 9


def test_a_dot_is_a_dot_unless_a_quantifier_follows() -> None:
    assert trained("layers.1.") == trained(r"layers\.1\.")
    assert not [name for name in trained("model.*proj") if "proj" in name]
    with pytest.raises(InputError):
        trained("layers1")
    with pytest.raises(InputError):
        trained("q.proj")


def test_tied_weights_are_frozen_under_either_name() -> None:
    assert trained("lm_head") == trained("embed_tokens")


def test_it_counts_the_weights() -> None:
    assert freeze(tiny.tiny_llama(), "embed_tokens|lm_head") == 258 * 32


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("embed_token.weights", r"matches no parameter; near are model.embed_tokens.weight"),
        ("layers.9.", "matches no parameter; near are model.layers"),
        ("(", "not a regular expression"),
        (".*", "leaves nothing to train"),
    ],
)
def test_patterns_that_cannot_be_meant_are_refused(pattern: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        freeze(tiny.tiny_llama(), pattern)
