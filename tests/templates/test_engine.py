import json
from pathlib import Path

import fastokens
import pytest
from transformers import PreTrainedTokenizerBase

from templates import Encoder, engine, load
from templates.engine import Engine
from templates.guard import guard
from tests.templates.kinds import TOKENIZERS, tokenizer_for


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_the_fast_engine_proves_itself_and_gives_the_references_ids(
    kind: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guarded = guard(tokenizer_for(kind).backend_tokenizer)
    records = json.loads((shared_data / "sharegpt" / "sharegpt_508.json").read_text(encoding="utf-8"))
    texts = [turn["value"] for record in records[:50] for turn in record["conversations"]] + [
        "\x04\U0010ffff",
        "",
        " x",
    ]
    reference = guarded.encode(texts)
    monkeypatch.setattr(engine, "FAST_FROM_CHARACTERS", 0)
    assert guarded.encode(texts) == reference
    assert guarded.engine._fast is not None
    assert capsys.readouterr().err == ""


def test_a_server_chooses_before_its_first_request(smollm2_tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = Encoder(load("chatml"), smollm2_tokenizer)
    encoder.choose_engine(for_copies=False)
    assert encoder._guarded.engine._fast is not None
    assert encoder.encode_prompt([{"role": "user", "content": "Hi"}])


def test_an_engine_that_differs_is_not_believed(
    smollm2_tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "FAST_FROM_CHARACTERS", 0)
    monkeypatch.setattr(engine._FastEngine, "encode", lambda _, texts: [[7]] * len(texts))
    guarded = guard(smollm2_tokenizer.backend_tokenizer)
    assert guarded.encode(["Hello"]) == [smollm2_tokenizer.encode("Hello", add_special_tokens=False)]
    assert "fastokens gives other ids" in capsys.readouterr().err


def test_a_tokenizer_that_fastokens_cannot_read_stays_with_the_reference(
    smollm2_tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "FAST_FROM_CHARACTERS", 0)
    reference = smollm2_tokenizer.backend_tokenizer
    monkeypatch.setattr(fastokens.Tokenizer, "from_json_str", lambda _: (_ for _ in ()).throw(ValueError("kind")))
    plain = Engine(reference, controls=[], missing_bytes=b"")
    assert plain.encode(["Hello"]) == [reference.encode("Hello").ids]
    assert "cannot read it (kind)" in capsys.readouterr().err
