"""Trees of messages: which path is a conversation, and what becomes of the other branches."""

from collections.abc import Callable, Mapping, Sequence

from data_tools.readers.turns import record_of
from data_tools.records import Branches, RawRecord, Record, Turn


def paths_to_leaves(parents: Mapping[str, str | None]) -> list[list[str]]:
    """Every path from a root to a leaf, as keys, in the order of the leaves; `parents` maps a node to its parent.

    >>> paths_to_leaves({"a": None, "b": "a", "c": "a"})
    [['a', 'b'], ['a', 'c']]
    """
    inner = set(parents.values())
    return [path_to(node, parents) for node in parents if node not in inner]


def path_to(node: str, parents: Mapping[str, str | None]) -> list[str]:
    """The path from the root to a node; a loop of parents is cut where it closes."""
    path: dict[str, None] = {}
    at: str | None = node
    while at is not None and at in parents and at not in path:
        path[at] = None
        at = parents[at]
    return list(path)[::-1]


def records_of(
    raw: RawRecord,
    paths: Sequence[Sequence[str]],
    *,
    nodes: Sequence[str],
    turn_of: Callable[[str], Turn | None],
    record_id: str,
    branches: Branches,
) -> list[Record]:
    """The records of a tree. `paths` begins with the main one; `turn_of` gives None for a node without a message.

    `main`: one record of the main path; turns of other branches follow as rejected, `other_branch`. `all`: a record
    for each path, in which a turn that an earlier path has taught is context only, so that it is trained once.
    """
    if branches == "main":
        path = paths[0] if paths else ()
        taken = set(path)
        others = [turn for node in nodes if node not in taken and (turn := turn_of(node))]
        for turn in others:
            turn.rule = turn.rule or "other_branch"
        return [record_of(raw, [turn for node in path if (turn := turn_of(node))] + others, record_id)]
    records, seen = [], set[str]()
    for number, path in enumerate(paths):
        turns = []
        for node in path:
            turn = turn_of(node)
            if turn is not None:
                turn.train = False if node in seen else turn.train
                turns.append(turn)
        seen.update(path)
        records.append(record_of(raw, turns, f"{record_id}_{number}" if number else record_id))
    return records or [record_of(raw, [], record_id)]
