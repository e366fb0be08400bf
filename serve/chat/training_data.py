"""Training data from chats: the shown branches as conversations, and people's judgements as preference pairs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from data_tools.records import Branches
from serve.chat.store.access import transaction
from serve.chat.store.messages import Tree
from serve.chat.store.tables import Conversation, Message
from serve.chat.stream import with_system
from serve.chat.votes import list_votes
from templates import InputError

Form = Literal["sharegpt", "messages", "preferences"]
Row = dict[str, Any]
Judged = tuple[Message, Message, str]  # the better reply, the worse one, and what says so
_ROLES = {"user": "human", "assistant": "gpt"}


@dataclass(slots=True)
class Export:
    """What was made of a chat database: the rows in their form, and how many of what were left out, by reason.

    Conversations are left out as `no_reply` or `not_marked` (of all branches, each without a reply as `no_reply`),
    messages of branches that are not shown as `other_branch`; `untaught` counts replies that are kept as context with
    ``"train": false``. Of pairs, `not_judged` are replies in one place between which nobody chose, `tie` and `both_bad`
    are votes without a winner.
    """

    rows: list[Row] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def export(
    engine: Engine, *, to: str, owner: str | None = None, only_marked: bool = False, branches: Branches = "main"
) -> Export:
    """The chats of one person, or of all, in a form that `chaku data prepare` takes (or TRL, for preferences).

    `branches`: the one that each conversation shows, or all, the shown one first: a row each, in which replies that an
    earlier row holds are context, so that each is taught once (`import_dumps` makes a tree of them again).
    A reply that a person found bad (thumb down), stopped, or that broke off is context and not taught. A corrected
    reply is taught as corrected, since its branch is the one shown; of all branches, what was corrected is context too.

    >>> export(engine, to="sharegpt").rows[0]                                                         # doctest: +SKIP
    {'id': 'x9f...', 'conversations': [{'from': 'human', 'value': 'Hi'}, {'from': 'gpt', 'value': 'Hello.'}]}

    Raises InputError for a form that there is not.
    """
    if to not in get_args(Form):
        raise InputError(f"--to {to}: there is no such form; give one of {', '.join(get_args(Form))}")
    made = Export()
    with transaction(engine) as session:
        for conversation, tree, count in _chosen(session, made, owner=owner, only_marked=only_marked):
            if to == "preferences":
                made.rows += _judged_pairs(conversation, tree, made)
                continue
            if branches == "main":
                leaves, corrected = [conversation.leaf], set[str]()
            else:
                leaves, corrected = tree.leaves(conversation.leaf), set(_corrected(tree))
            paths = [[turn.message for turn in tree.path(leaf)] for leaf in leaves]
            made.left_out["other_branch"] += count - _add_rows(conversation, paths, to, made, corrected=corrected)
    if to == "preferences" and owner is None:
        made.rows += _voted_pairs(engine, made)
    made.left_out = +made.left_out
    return made


def _chosen(
    session: Session, made: Export, *, owner: str | None, only_marked: bool
) -> Iterator[tuple[Conversation, Tree, int]]:
    query = select(Conversation).where(Conversation.deleted.is_(None)).order_by(Conversation.created, Conversation.id)
    if owner is not None:
        query = query.where(Conversation.owner == owner)
    for conversation in session.scalars(query):
        if conversation.for_training is False or (only_marked and not conversation.for_training):
            made.left_out["not_marked"] += 1
            continue
        held = select(func.count()).select_from(Message).where(Message.conversation == conversation.id)
        yield conversation, Tree.read(session, conversation.id), session.scalar(held) or 0


def _add_rows(
    conversation: Conversation, paths: Sequence[Sequence[Message]], to: str, made: Export, *, corrected: Set[str]
) -> int:
    """A row for each branch that has a reply; returns how many messages the branches hold, each counted once."""
    seen: set[str] = set()
    numbers = _numbers(paths)
    rows = 0
    for path in paths:
        replies = [message for message in path if message.role == "assistant"]
        untaught = {reply.id for reply in replies if not is_taught(reply)} | corrected
        if replies:
            name = f"{conversation.id}_{rows}" if rows else conversation.id
            row = _row(conversation, path, to, name, context=seen | untaught)
            made.rows.append(row | _branch(row, path, numbers, of=conversation.id) if len(paths) > 1 else row)
            rows += 1
        else:
            made.left_out["no_reply"] += 1
        made.left_out["untaught"] += sum(reply.id in untaught - seen for reply in replies)
        seen.update(message.id for message in path)
    return len(seen)


def _row(conversation: Conversation, path: Sequence[Message], to: str, name: str, *, context: Set[str]) -> Row:
    """One branch; the replies whose ids are in `context` are not taught."""
    is_sharegpt = to == "sharegpt"
    turns: list[Row] = []
    for message in path:
        role = _ROLES.get(message.role, message.role) if is_sharegpt else message.role
        turn: Row = {"from": role, "value": _said(message)} if is_sharegpt else _as_message(message)
        if message.role == "assistant" and message.id in context:
            turn["train"] = False
        turns.append(turn)
    if is_sharegpt:
        system = {"system": conversation.system} if conversation.system.strip() else {}
        return {"id": name, **system, "conversations": turns}
    return {"id": name, "messages": with_system(conversation.system, turns)}


def _numbers(paths: Iterable[Sequence[Message]]) -> dict[str, int]:
    """The messages of a tree by id, numbered in the order in which they came."""
    messages = {message.id: message for path in paths for message in path}
    ordered = sorted(messages.values(), key=lambda message: (message.created, message.id))
    return {message.id: number for number, message in enumerate(ordered)}


def _branch(row: Row, path: Sequence[Message], numbers: Mapping[str, int], *, of: str) -> Row:
    """What makes one tree of a conversation's rows again: which conversation, and each turn's number in it.

    >>> _branch(row, path, numbers, of="x9f")  # a system prompt, a question, and the second reply to it
    {'branch_of': 'x9f', 'turn_numbers': [-1, 0, 2]}
    """
    system = [-1] * (len(row.get("messages", path)) - len(path))
    return {"branch_of": of, "turn_numbers": system + [numbers[message.id] for message in path]}


def _newest_corrections(place: Sequence[Message]) -> dict[str, Message]:
    """By the reply that they correct; a correction may be corrected again."""
    return {one.corrects: one for one in place if one.corrects}


def _corrected(tree: Tree) -> Iterator[str]:
    """The replies in whose place a person's correction stands, and corrections that were corrected again."""
    for place in tree.places("assistant"):
        newest = _newest_corrections(place)
        standing = {one.id for one in newest.values()}
        yield from (one.id for one in place if (one.id in newest or one.corrects) and one.id not in standing)


def is_taught(reply: Message) -> bool:
    """Whether a reply is whole, ended by itself, and neither a person nor its dump said that it is not to be taught."""
    is_whole = reply.state == "whole" and reply.finish_reason != "length" and bool(reply.content)
    return is_whole and reply.thumb >= 0 and reply.train is not False


def _judged_pairs(conversation: Conversation, tree: Tree, made: Export) -> Iterator[Row]:
    """Pairs of a better and a worse reply in one place, with what tells them apart."""
    for place in tree.places("assistant"):
        pairs = [*_corrections(place), *_by_thumbs(place)]
        pairs = pairs or list(_regenerations(place, tree))
        if not pairs and len(place) > 1:
            made.left_out["not_judged"] += len(place)
        asked = [turn.message for turn in tree.path(place[0].parent)]
        prompt = with_system(conversation.system, list(map(_as_message, asked)))
        for better, worse, judged_by in pairs:
            yield _pair(prompt, _said(better), _said(worse), judged_by)


def _corrections(place: Sequence[Message]) -> Iterator[Judged]:
    """A person's text beside the reply that it corrects."""
    by_id = {message.id: message for message in place}
    for original, correction in _newest_corrections(place).items():
        if original in by_id:
            yield correction, by_id[original], "correction"


def _by_thumbs(place: Sequence[Message]) -> Iterator[Judged]:
    good, bad = ([one for one in place if one.thumb == thumb and not one.corrects] for thumb in (1, -1))
    yield from ((better, worse, "thumbs") for better in good for worse in bad)


def _regenerations(place: Sequence[Message], tree: Tree) -> Iterator[Judged]:
    """The one reply from which a person went on, and the whole ones before it that they had made anew.

    Only replies that were made here count: an imported tree has branches that nobody chose between.
    """
    made_here = [one for one in place if one.model and is_taught(one)]
    went_on = [one for one in made_here if tree.is_continued(one.id)]
    if len(went_on) == 1:
        earlier = [one for one in made_here if one.created < went_on[0].created and one.thumb <= 0]
        yield from ((went_on[0], worse, "regeneration") for worse in earlier)


def _voted_pairs(engine: Engine, made: Export) -> Iterator[Row]:
    for vote in list_votes(engine):
        if vote.winner in ("tie", "both_bad"):
            made.left_out[vote.winner] += 1
            continue
        a, b = vote.answer_a.strip(), vote.answer_b.strip()
        chosen, rejected = (a, b) if vote.winner == "a" else (b, a)
        yield _pair(vote.messages, chosen, rejected, "vote")


def _said(message: Message) -> str:
    """A message's text; a reply without the space that many models begin with, which a person's correction has not."""
    return message.content.strip() if message.role == "assistant" else message.content


def _pair(prompt: Sequence[Row], chosen: str, rejected: str, judged_by: str) -> Row:
    """A pair in TRL's conversational form."""
    return {
        "prompt": list(prompt),
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "judged_by": judged_by,
    }


def _as_message(message: Message) -> Row:
    return {"role": message.role, "content": _said(message)}
