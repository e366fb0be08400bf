"""The dry run: a table of what a run would need, nothing left behind, and one line for each thing that is wrong."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

import templates
from templates.errors import InputError
from tests.train import tiny
from tests.train.test_main import arguments
from train.cli import main
from train.data import micro_batch
from train.dry_run_checks import check_supervision, opening_of

ASKED = [["Hi", "Hello there."], ["What is seven?", "A number."], ["Bye", "See you."]]


@pytest.fixture(scope="module")
def encoder(model_directory: Path) -> templates.Encoder:
    return templates.Encoder(templates.load("vicuna_v1.1"), PreTrainedTokenizerFast.from_pretrained(model_directory))


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory, model_directory: Path, encoder: templates.Encoder) -> Path:
    """Windows of real conversations, each a document."""
    directory = tiny.write_data(tmp_path_factory.mktemp("chats") / "data", model=model_directory)
    encoded = encoder.encode(
        [[{"role": "user", "content": ask}, {"role": "assistant", "content": reply}] for ask, reply in ASKED]
    )
    rows: list[dict[str, list[int] | list[str]]] = [
        {
            "input_ids": document.ids,
            "labels": [token if mask else -100 for token, mask in zip(document.ids, document.mask, strict=True)],
            "document_lengths": [len(document.ids)],
            "sources": [f"chat-{number}"],
        }
        for number, document in enumerate(encoded)
    ]
    tiny.write_windows(directory / "train", rows)
    return directory


@pytest.mark.parametrize("more", [[], ["--lora.rank=4"]], ids=["full", "lora"])
def test_the_table_tells_what_a_run_needs_and_nothing_is_left(
    tmp_path: Path, model_directory: Path, chats: Path, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(model_directory, chats, tmp_path / "out" / "model", "--dry-run", *more)) == 0
    table = capsys.readouterr().out
    for row in ("parameters", "estimated", "steps", "gradient", "checkpoint", "stop token", "ready"):
        assert row in table
    assert list((tmp_path / "out").iterdir()) == []


def test_supervision_is_counted_and_must_follow_the_assistants_opening(encoder: templates.Encoder) -> None:
    assert opening_of(encoder) == "ASSISTANT:"
    [chat] = encoder.encode([[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Oh!"}]])
    ids, length = chat.ids, [len(chat.ids)]
    labels = [token if mask else -100 for token, mask in zip(ids, chat.mask, strict=True)]
    assert "in 1 stretches: 1 follow 'ASSISTANT:', 1 end with '</s>'" in check_supervision(
        micro_batch(ids, labels, length, ["a"]), encoder
    )
    without_stop = [*labels[:-1], -100]
    with pytest.raises(InputError, match="never learn to stop"):
        check_supervision(micro_batch(ids, without_stop, length, ["a"]), encoder)
    shifted = [-100] * 5 + ids[5:]
    with pytest.raises(InputError, match="follows 'ASSISTANT:'"):
        check_supervision(micro_batch(ids, shifted, length, ["a"]), encoder)


def test_a_disk_that_is_too_small_is_said_before_the_weights_are_read(
    tmp_path: Path, model_directory: Path, chats: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.dry_run.shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(InputError, match=r"need 1 MB there and 0 MB are free.*--checkpoint.keep 1"):
        main(arguments(model_directory, chats, tmp_path / "model", "--dry-run"))


def test_a_model_without_a_trained_loss_is_refused(tmp_path: Path, model_directory: Path, chats: Path) -> None:
    broken = tmp_path / "broken"
    tiny.write_model(broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"].fill_(float("nan"))
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="the loss is nan"):
        main(arguments(broken, chats, tmp_path / "model", "--dry-run"))
    assert json.loads((chats / "manifest.json").read_text())["window"] == tiny.WINDOW
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken"]
