"""Trees of messages: which path is a conversation, and what becomes of the other branches."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from data_tools.readers.turns import record_of
from data_tools.records import Branches, RawRecord, Record, Turn

_MOST_TURNS = 100_000


def paths_to_leaves(parents: Mapping[str, str | None]) -> Iterator[list[str]]:
    """Every path from a root to a leaf, as keys, in the order of the leaves; `parents` maps a node to its parent.

    >>> list(paths_to_leaves({"a": None, "b": "a", "c": "a"}))
    [['a', 'b'], ['a', 'c']]
    """
    inner = set(parents.values())
    return (path_to(node, parents) for node in parents if node not in inner)


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
    main: Sequence[str],
    parents: Mapping[str, str | None],
    *,
    turn_of: Callable[[str], Turn | None],
    record_id: str,
    branches: Branches,
) -> list[Record]:
    """The records of a tree, `main` being the path that counts; `turn_of` gives None for a node without a message.

    `main`: one record of that path; turns of other branches follow as rejected, `other_branch`. `all`: a record for
    each path to a leaf, in which a turn that an earlier path teaches is context only, so that it is trained once. A
    tree whose paths repeat each other to more than `_MOST_TURNS` turns is cut there; what is left is `other_branch`.
    """
    others = (path for path in paths_to_leaves(parents) if path != main) if branches == "all" else ()
    records, seen, turns_made = [_record(raw, main, set(), turn_of, record_id)], set(main), len(main)
    for path in others:
        turns_made += len(path)
        if turns_made > _MOST_TURNS:
            break
        records.append(_record(raw, path, seen, turn_of, f"{record_id}_{len(records)}"))
        seen.update(path)
    records[0].turns += _left_out((node for node in parents if node not in seen), turn_of)
    return [record if record.turns else record_of(raw, [], record.id) for record in records]


def _record(
    raw: RawRecord, path: Sequence[str], seen: set[str], turn_of: Callable[[str], Turn | None], record_id: str
) -> Record:
    turns = []
    for node in path:
        turn = turn_of(node)
        if turn is not None:
            turn.train = False if node in seen else turn.train
            turns.append(turn)
    return Record(record_id, raw.file, raw.index, turns)


def _left_out(nodes: Iterable[str], turn_of: Callable[[str], Turn | None]) -> list[Turn]:
    turns = [turn for node in nodes if (turn := turn_of(node))]
    for turn in turns:
        turn.rule = turn.rule or "other_branch"
    return turns
