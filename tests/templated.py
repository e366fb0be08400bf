"""Model directories for tests: the small real model's weights under another template, without training."""

import json
from pathlib import Path

from templates.loading import load_encoder, load_tokenizer


def templated(model: Path, out: Path, template: str) -> Path:
    """A directory that serves `model` with a template: its weights by link, its tokenizer with that template."""
    out.mkdir()
    for path in model.iterdir():
        if path.suffix == ".safetensors" or path.name == "config.json":
            (out / path.name).symlink_to(path)
    tokenizer, encoder = load_tokenizer(model), load_encoder(template, model)
    tokenizer.chat_template = encoder.chat_template
    tokenizer.save_pretrained(out)
    stop_ids = encoder.stop_ids or [tokenizer.eos_token_id]
    (out / "generation_config.json").write_text(json.dumps({"eos_token_id": stop_ids}), encoding="utf-8")
    return out
