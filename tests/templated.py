"""Model directories for tests: the small real model's weights under another template, without training."""

import json
from pathlib import Path

from templates.loading import load_encoder, load_tokenizer


def templated(model: Path, out: Path, template: str) -> Path:
    """A directory that serves `model` with a template: its weights by link, its tokenizer with that template."""
    _link_weights(model, out)
    tokenizer, encoder = load_tokenizer(model), load_encoder(template, model)
    tokenizer.chat_template = encoder.chat_template
    tokenizer.save_pretrained(out)
    stop_ids = encoder.stop_ids or [tokenizer.eos_token_id]
    (out / "generation_config.json").write_text(json.dumps({"eos_token_id": stop_ids}), encoding="utf-8")
    return out


def with_tokenizer(model: Path, out: Path, tokenizer: Path) -> Path:
    """A directory that renders as another model does, with its tokenizer and template; its ids are not this model's."""
    _link_weights(model, out)
    for path in tokenizer.iterdir():
        (out / path.name).symlink_to(path)
    return out


def _link_weights(model: Path, out: Path) -> None:
    out.mkdir()
    for path in model.iterdir():
        if path.suffix == ".safetensors" or path.name == "config.json":
            (out / path.name).symlink_to(path)
