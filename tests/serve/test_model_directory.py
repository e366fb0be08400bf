import json
from pathlib import Path

import pytest

from serve.model_directory import look_at
from templates import InputError

FILES = {
    "config.json": json.dumps({"model_type": "llama", "max_position_embeddings": 2048}),
    "model.safetensors": "",
    "tokenizer.json": "{}",
    "chat_template.jinja": "{{ messages }}",
}


def write(directory: Path, **changes: str | None) -> Path:
    directory.mkdir()
    renamed = {name.replace("_json", ".json").replace("_jinja", ".jinja"): text for name, text in changes.items()}
    for name, text in {**FILES, **renamed}.items():
        if text is not None:
            (directory / name).write_text(text, encoding="utf-8")
    return directory


def test_a_whole_directory_is_served_under_its_name(tmp_path: Path) -> None:
    model = look_at(str(write(tmp_path / "vicuna")))
    assert (model.name, model.directory) == ("vicuna", tmp_path / "vicuna")
    assert model.config["max_position_embeddings"] == 2048


def test_a_hub_name_is_passed_on() -> None:
    model = look_at("lmsys/vicuna-7b-v1.5")
    assert (model.path, model.name, model.directory) == ("lmsys/vicuna-7b-v1.5", "vicuna-7b-v1.5", None)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"config_json": None}, r"config\.json: missing"),
        ({"config_json": "{"}, r"config\.json: not JSON"),
        ({"config_json": "[]"}, r"config\.json: not a model's configuration"),
        ({"tokenizer_json": None}, r"tokenizer\.json: missing"),
        ({"chat_template_jinja": None}, r"chat_template\.jinja: missing"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, changes: dict[str, str | None], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        look_at(str(write(tmp_path / "model", **changes)))


def test_a_template_in_the_tokenizers_settings_will_do(tmp_path: Path) -> None:
    directory = write(tmp_path / "model", chat_template_jinja=None, tokenizer_config_json='{"chat_template": "x"}')
    assert look_at(str(directory)).directory == directory


def test_pickled_weights_and_no_weights_are_refused(tmp_path: Path) -> None:
    directory = write(tmp_path / "model")
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickled"):
        look_at(str(directory))
    (directory / "pytorch_model.bin").unlink()
    with pytest.raises(InputError, match="no weights"):
        look_at(str(directory))


def test_a_file_and_a_missing_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such directory"):
        look_at(str(tmp_path / "nowhere"))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a directory"):
        look_at(str(tmp_path / "file"))
