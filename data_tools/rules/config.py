"""Which rules are on, with what options: the defaults, or a rules file in YAML."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

from data_tools.rules.blocked import read_phrases
from data_tools.rules.text import RULES, Rule
from templates import ROLES, InputError, Role

Roles = tuple[Role, ...]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What `chaku data prepare` cleans and filters. `examples/rules.yaml` explains each; these are its defaults.

    `text` gives each rule of `data_tools.rules.text` the roles whose turns it cleans (none: it is off). Lengths are in
    characters, 0 means no limit; `near_duplicate` is a similarity above 0 and up to 1, 0 means off.
    """

    text: tuple[tuple[str, Roles], ...] = tuple((rule.name, rule.roles if rule.on else ()) for rule in RULES)
    refused_by_interface: bool = True
    too_short: int = 0
    too_long: int = 0
    block_lists: tuple[str, ...] = ()
    blocked_phrases: tuple[str, ...] = ()
    blocked_roles: Roles = ("assistant",)
    leading_reply: Literal["reject", "context"] = "reject"
    split_pieces: Literal["keep", "join", "drop"] = "keep"
    languages: tuple[str, ...] = ()
    unknown_language: Literal["keep", "reject"] = "keep"
    near_duplicate: float = 0.0
    evaluation_questions: tuple[str, ...] = ()

    @cached_property
    def chosen(self) -> dict[tuple[Role, bool], tuple[Rule, ...]]:
        """The rules that clean a role's turns, in their order: for plain texts (True), and for all others."""
        roles_of = dict(self.text)
        return {
            (role, plain): tuple(rule for rule in RULES if role in roles_of[rule.name] and (rule.in_plain or not plain))
            for role in ROLES
            for plain in (True, False)
        }


def load_rules(path: Path | None) -> Rules:
    """The rules of a YAML file, or the defaults. What the file does not name keeps its default.

    Paths in the file are relative to it. Raises InputError where it cannot be read or understood.
    """
    if path is None:
        return Rules()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = " ".join(str(error).split())
        raise InputError(f"{path}: not YAML ({where}); compare it with examples/rules.yaml") from error
    return rules_of(content or {}, path)


def rules_of(content: object, path: Path) -> Rules:
    """The rules of what a rules file holds, or of what `describe_rules` made; `path` is that file, for errors.

    >>> rules_of({"reject": {"too_long": 9}}, Path("rules.yaml")).too_long
    9
    """
    reader = _Reader(path)
    sections = reader.known("", content, _SECTIONS)
    given: dict[str, Any] = {}
    for name, value in sections.items():
        given |= _SECTIONS[name](reader, value)
    return Rules(**given)


def describe_rules(rules: Rules) -> dict[str, Any]:
    """The rules in the form of a rules file, for the manifest."""
    roles_of = dict(rules.text)
    return {
        "text": {rule.name: list(roles_of[rule.name]) or False for rule in RULES},
        "reject": {
            "refused_by_interface": rules.refused_by_interface,
            "too_short": rules.too_short,
            "too_long": rules.too_long,
            "blocked_phrase": {"files": list(rules.block_lists), "roles": list(rules.blocked_roles)},
        },
        "roles": {"leading_reply": rules.leading_reply, "split_pieces": rules.split_pieces},
        "filters": {
            "language": {"keep": list(rules.languages), "unknown": rules.unknown_language},
            "near_duplicate": rules.near_duplicate,
            "contaminated": list(rules.evaluation_questions),
        },
    }


@dataclass(frozen=True)
class _Reader:
    """Reads the values of one file; every error names the file, the key, and what would be right."""

    path: Path

    def known(self, at: str, value: object, names: Mapping[str, object]) -> dict[str, Any]:
        """A mapping whose keys are all among the names."""
        if not isinstance(value, dict):
            raise self.wrong(at, value, f"a mapping with {', '.join(names)}")
        for name in value:
            if name not in names:
                near = get_close_matches(str(name), names, 1, 0.0)[0]
                raise InputError(
                    f"{self.path}: {_joined(at, str(name))}: there is no such rule or option; the nearest is {near!r} "
                    f"(known: {', '.join(names)})"
                )
        return value

    def wrong(self, at: str, value: object, right: str) -> InputError:
        return InputError(f"{self.path}: {at or 'the file'}: {value!r} is not right here; give {right}")

    def flag(self, at: str, value: object) -> bool:
        if not isinstance(value, bool):
            raise self.wrong(at, value, "true or false")
        return value

    def count(self, at: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.wrong(at, value, "a number of characters, 0 for no limit")
        return value

    def share(self, at: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self.wrong(at, value, "a similarity from 0 (off) to 1, for instance 0.8")
        return float(value)

    def choice(self, at: str, value: object, *, choices: tuple[str, ...]) -> str:
        if value not in choices:
            raise self.wrong(at, value, " or ".join(choices))
        return str(value)

    def texts(self, at: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.wrong(at, value, "a list of texts, for instance [a, b]")
        return tuple(value)

    def roles(self, at: str, value: object, *, allowed: Roles) -> Roles:
        """Roles in a list; true stands for all that are allowed, false for none."""
        if isinstance(value, bool):
            return allowed if value else ()
        given = self.texts(at, value)
        if not set(given) <= set(allowed):
            raise self.wrong(at, value, f"true, false, or a list of {', '.join(allowed)}")
        return tuple(role for role in allowed if role in given)

    def paths(self, at: str, value: object) -> tuple[str, ...]:
        """Paths of files, relative to the rules file."""
        return tuple(str(self.path.parent / name) for name in self.texts(at, value))


def _joined(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _text(reader: _Reader, value: object) -> dict[str, Any]:
    allowed = {rule.name: rule.roles for rule in RULES}
    given = reader.known("text", value, allowed)
    chosen = {name: reader.roles(f"text.{name}", one, allowed=allowed[name]) for name, one in given.items()}
    return {"text": tuple((name, chosen.get(name, roles)) for name, roles in Rules().text)}


def _reject(reader: _Reader, value: object) -> dict[str, Any]:
    options: dict[str, Callable[[str, object], object]] = {
        "refused_by_interface": reader.flag,
        "too_short": reader.count,
        "too_long": reader.count,
    }
    given = reader.known("reject", value, dict.fromkeys((*options, "blocked_phrase")))
    chosen = {name: options[name](f"reject.{name}", one) for name, one in given.items() if name in options}
    return chosen | (_blocked(reader, given["blocked_phrase"]) if "blocked_phrase" in given else {})


def _blocked(reader: _Reader, value: object) -> dict[str, Any]:
    at = "reject.blocked_phrase"
    given = reader.known(at, value, dict.fromkeys(("files", "roles")))
    files = reader.paths(f"{at}.files", given.get("files", []))
    return {
        "block_lists": files,
        "blocked_phrases": tuple(dict.fromkeys(phrase for name in files for phrase in read_phrases(Path(name)))),
        "blocked_roles": reader.roles(f"{at}.roles", given.get("roles", ["assistant"]), allowed=ROLES),
    }


def _roles(reader: _Reader, value: object) -> dict[str, Any]:
    choices = {"leading_reply": ("reject", "context"), "split_pieces": ("keep", "join", "drop")}
    given = reader.known("roles", value, choices)
    return {name: reader.choice(f"roles.{name}", one, choices=choices[name]) for name, one in given.items()}


def _filters(reader: _Reader, value: object) -> dict[str, Any]:
    given = reader.known("filters", value, dict.fromkeys(("language", "near_duplicate", "contaminated")))
    chosen: dict[str, Any] = {}
    if "language" in given:
        at = "filters.language"
        language = reader.known(at, given["language"], dict.fromkeys(("keep", "unknown")))
        chosen["languages"] = reader.texts(f"{at}.keep", language.get("keep", []))
        choices = ("keep", "reject")
        chosen["unknown_language"] = reader.choice(f"{at}.unknown", language.get("unknown", "keep"), choices=choices)
    if "near_duplicate" in given:
        chosen["near_duplicate"] = reader.share("filters.near_duplicate", given["near_duplicate"])
    if "contaminated" in given:
        chosen["evaluation_questions"] = reader.paths("filters.contaminated", given["contaminated"])
    return chosen


_SECTIONS: dict[str, Callable[[_Reader, object], dict[str, Any]]] = {
    "text": _text,
    "reject": _reject,
    "roles": _roles,
    "filters": _filters,
}
