"""Cleaning of a turn and of a record by the rules that are on. Cleaning twice equals cleaning once."""

from collections import Counter

from data_tools.records import Record
from data_tools.rules.characters import is_plain
from data_tools.rules.config import Rules
from data_tools.rules.rejections import rejection
from data_tools.rules.text import Rule
from templates import Role

DEFAULT_RULES = Rules()
# Real texts come to rest in the second or third pass.
_MOST_PASSES = 8
# How the hits of one phrase are named among the counts of the rules.
PHRASE = "blocked_phrase: "


def clean_text(text: str, role: Role, rules: Rules = DEFAULT_RULES) -> tuple[str, set[str]]:
    """The cleaned text of a turn and the names of the rules that changed it.

    The rules run until none finds anything, since one may lay bare what another looks for. A text that never comes
    to rest (thousands of buttons' labels in turn) is no one's words: it stays as it came.
    """
    changed: set[str] = set()
    given = text
    seen: tuple[Rule, ...] = ()
    last: Rule | None = None
    for _ in range(_MOST_PASSES):
        active = rules.chosen[role, is_plain(text)]
        # Those after the last rule that changed the text have seen it as it is now.
        enough = last if active == seen else None
        seen = active
        last = None
        for rule in active:
            result = rule.function(text)
            if result != text:
                changed.add(rule.name)
                text, last = result, rule
            elif rule is enough and last is None:
                return text, changed
        if last is None:
            return text, changed
    return given, set()


def clean_record(record: Record, rules: Rules = DEFAULT_RULES) -> Counter[str]:
    """Clean a record's turns in place, and reject by name those that a rule does not let pass.

    Returns how many turns each rule changed, and for each blocked phrase how many turns held it.
    """
    counts: Counter[str] = Counter()
    for turn in record.turns:
        if turn.role is None or turn.rule:
            continue
        turn.text, changed = clean_text(turn.text, turn.role, rules)
        for name in changed:
            counts[name] += 1
        turn.rule, phrases = rejection(turn.text, turn.role, rules)
        for phrase in phrases:
            counts[PHRASE + phrase] += 1
    return counts
