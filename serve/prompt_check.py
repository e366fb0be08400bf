"""Before a model is served: are its tokenizer and template those of its training, and can its prompts be guarded?"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any

from serve.model_directory import ServedModel, look_at
from templates import InputError
from templates.loading import hide_torch

# What each part of a fingerprint is kept in.
_KEPT_IN = {
    "template": "chat_template.jinja",
    "tokenizer": "tokenizer.json (or tokenizer_config.json)",
    "transformers": "the installed transformers",
    "tokenizers": "the installed tokenizers",
}


@dataclass(frozen=True)
class Prompts:
    """The prompts that Chaku's renderer makes: their digest, and the plain text (if any) that ends a reply."""

    fingerprint: str
    stop_strings: tuple[str, ...] = ()


def check_prompts(model: ServedModel, *, ignore_fingerprint: bool) -> Prompts | None:
    """What Chaku's renderer makes for this model, or None, with a line that says why not.

    Raises InputError where the tokenizer, the template or their versions are not those of the model's training,
    naming the file that differs.
    """
    if model.directory is None:
        _say(f"{model.path}: no such directory, so the Hugging Face hub is asked for it; vLLM renders its prompts")
        return None
    from templates.loading import load_encoder

    try:
        encoder = load_encoder("tokenizer", model.directory)
    except InputError as error:
        _say(f"{model.path}: prompts are rendered by vLLM, since they cannot be guarded: {error}")
        return None
    recorded = _recorded(model)
    if recorded is not None and not ignore_fingerprint:
        _refuse_changes(model, recorded, encoder.fingerprint.parts)
    return Prompts(encoder.fingerprint.digest, tuple(encoder.stop_strings))


def check_prompts_apart(model: ServedModel, *, ignore_fingerprint: bool) -> Prompts | None:
    """`check_prompts` in a process of its own without PyTorch, which takes transformers along when it ends."""
    argv = [sys.executable, "-m", "serve.prompt_check", model.path, json.dumps(ignore_fingerprint)]
    # In a session of its own: Ctrl-C comes to us alone, and ends it without a word.
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False, start_new_session=True)
    if done.returncode:
        raise InputError(f"{model.path}: its tokenizer cannot be loaded (what is wrong stands above); copy it again")
    answer = json.loads(done.stdout.splitlines()[-1])
    if isinstance(answer, str):
        raise InputError(answer)
    return answer and Prompts(answer["fingerprint"], tuple(answer["stop_strings"]))


def _main(path: str, ignore_fingerprint: str) -> None:
    """Print what `check_prompts` says, as JSON: an object or null, or the sentence of its InputError."""
    hide_torch()
    try:
        prompts = check_prompts(look_at(path), ignore_fingerprint=json.loads(ignore_fingerprint))
        print(json.dumps(prompts and asdict(prompts)))
    except InputError as error:
        print(json.dumps(str(error)))


def _recorded(model: ServedModel) -> dict[str, str] | None:
    """The parts of the fingerprint that training wrote, if Chaku trained the model."""
    path = model.directory / "chaku.json" if model.directory else None
    if path is None or not path.is_file():
        return None
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return dict(record["fingerprint"]["parts"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a record of training ({error!r}); write the model again") from error


def _refuse_changes(model: ServedModel, recorded: dict[str, str], found: dict[str, str]) -> None:
    changed = sorted(part for part in recorded | found if recorded.get(part) != found.get(part))
    if changed:
        named = ", ".join(
            _KEPT_IN[part]
            + (f" ({recorded.get(part)} then, {found.get(part)} now)" if "installed" in _KEPT_IN[part] else "")
            for part in changed
        )
        raise InputError(
            f"{model.path}: not as it was trained, so it would read prompts otherwise: {named} changed since training; "
            "restore it, or go on with --ignore-fingerprint"
        )


def _say(line: str) -> None:
    print(f"chaku: {line}", file=sys.stderr)


if __name__ == "__main__":
    _main(*sys.argv[1:])
