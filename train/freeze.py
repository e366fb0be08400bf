"""Freezing by name pattern: parameters that keep their values, without gradients or optimizer state."""

import difflib
import re

from torch import nn

from templates.errors import InputError

# A dot that no backslash precedes and no quantifier follows: names are full of dots, and `layers.1.` means layer 1.
_PLAIN_DOT = re.compile(r"(?<!\\)\.(?![*+?{])")


def freeze(model: nn.Module, pattern: str) -> int:
    """Freeze the parameters whose names match somewhere; returns how many weights that are.

    ``'embed_tokens|layers.[0-7].'`` freezes the embeddings and the first eight layers, and not layer 10. Raises
    InputError where the pattern matches nothing (naming near parameters), or leaves nothing to train.
    """
    expression = _compiled(pattern)
    # tied weights have two names, and freezing one freezes the other
    named = dict(model.named_parameters(remove_duplicate=False))
    frozen = {name: parameter for name, parameter in named.items() if expression.search(name)}
    if not frozen:
        raise InputError(
            f"--model.freeze {pattern!r} matches no parameter; near are {', '.join(_near(pattern, [*named]))}"
        )
    for parameter in frozen.values():
        parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError(f"--model.freeze {pattern!r} leaves nothing to train; narrow it down")
    return sum(parameter.numel() for parameter in set(frozen.values()))


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(_PLAIN_DOT.sub(r"\\.", pattern))
    except re.error as error:
        raise InputError(f"--model.freeze {pattern!r}: not a regular expression ({error}); mend it") from error


def _near(pattern: str, names: list[str]) -> list[str]:
    """The three names that are most like what the pattern's words spell."""
    likeness = {name: _likeness(pattern, name) for name in names}
    return sorted(names, key=lambda name: -likeness[name])[:3]


def _likeness(pattern: str, name: str) -> float:
    """How alike the pattern's longest common words are to the name's parts, from 0 to 1."""
    words = [word for word in re.split(r"[^A-Za-z0-9_]+", pattern) if word] or [pattern]
    parts = name.split(".")
    ratios = [max(difflib.SequenceMatcher(None, word, part).ratio() for part in parts) for word in words]
    return sum(ratios) / len(ratios)
