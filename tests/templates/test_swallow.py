import pytest

from templates.spelling import Speller
from templates.swallow import swallow
from tests.templates.kinds import guarded_for


@pytest.mark.parametrize(
    ("literals", "contents", "left", "read"),
    [
        (["<|user|>\n", "<|end|>\n"], [" hi "], ["<|user|>", "<|end|>"], ["hi"]),
        (["<|user|>\n", "\n<|assistant|>"], [" \u3000"], ["<|user|>", "<|assistant|>"], [""]),
        (["a \n<|end|> b <|user|>\t", ""], ["c "], ["a<|end|>b <|user|>", ""], ["c "]),
        (["Q: ", " A: ", "</s> "], [" hi ", "<|end|> x"], ["Q: ", " A: ", "</s> "], [" hi ", "<|end|> x"]),
        (["<|user|>", "<|user|>"], ["\x1c"], ["<|user|>", "<|user|>"], ["\x1c"]),
    ],
)
def test_control_tokens_take_their_whitespace(
    literals: list[str], contents: list[str], left: list[str], read: list[str]
) -> None:
    guarded = guarded_for("flagged")
    assert swallow(literals, contents, guarded=guarded, spell=Speller(guarded)) == (left, read)
