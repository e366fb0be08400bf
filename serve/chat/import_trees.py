"""The paths of an imported tree, joined again: each message once, below the one that it answers."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from data_tools.records import Record
from serve.chat.store.conversations import title_of
from serve.chat.store.tables import Conversation, Message, new_id
from templates import Message as Said

_A_MOMENT = 1e-6  # seconds; siblings are shown in the order of their times


@dataclass(frozen=True, slots=True)
class Node:
    """A message and the id of the one that it follows. `place` is where its first turn stands in the file."""

    id: str
    parent: str | None
    place: int
    said: Said


def plant(session: Session, paths: Sequence[Record], *, owner: str) -> Iterator[int]:
    """Keep a tree that is given as its paths, the one to be shown first; yields how many branches were kept.

    A conversation has one system prompt, so paths under another one make a conversation of their own.
    """
    by_system: dict[str, list[Record]] = {}
    for path in paths:
        if path.messages:
            by_system.setdefault(_system(path), []).append(path)
    for system, alike in by_system.items():
        nodes, leaf = join(alike)
        _keep(session, nodes, leaf, system=system, owner=owner, source=alike[0].id)
        yield len({node.id for node in nodes} - {node.parent for node in nodes})


def join(paths: Sequence[Record]) -> tuple[list[Node], str]:
    """The messages of all paths as one tree, parents first, and the id of the first path's last message.

    Paths that begin with the same turns share their messages:

    >>> nodes, leaf = join(paths)  # hello -> hi -> bye, and hello -> good day
    >>> [(node.said.content, node.parent == nodes[0].id) for node in nodes]
    [('hello', False), ('hi', True), ('bye', False), ('good day', True)]
    """
    nodes: dict[tuple[str | None, tuple[int, ...], str], Node] = {}
    leaves: list[str] = []
    for path in paths:
        parent: str | None = None
        for said, turns in zip(path.messages, path.message_turns, strict=True):
            if said.role == "system":
                continue
            places = tuple(path.turns[turn].index for turn in turns)
            node = nodes.setdefault((parent, places, said.content), Node(new_id(), parent, places[0], said))
            parent = node.id
        leaves.append(parent or "")
    return list(nodes.values()), leaves[0]


def _system(path: Record) -> str:
    return "\n\n".join(message.content for message in path.messages if message.role == "system")


def _keep(session: Session, nodes: Sequence[Node], leaf: str, *, system: str, owner: str, source: str) -> None:
    question = next(node.said.content for node in nodes if node.said.role == "user")
    conversation = Conversation(
        id=new_id(),
        owner=owner,
        title=title_of(question),
        system=system,
        settings={},
        source=source[:400],
        leaf=leaf,
    )
    session.add(conversation)
    session.flush()
    now = time.time()
    for node in nodes:
        session.add(
            Message(
                id=node.id,
                conversation=conversation.id,
                parent=node.parent,
                role=node.said.role,
                content=node.said.content,
                train=node.said.train,
                created=now + node.place * _A_MOMENT,
            )
        )
