"""FastChat's server logs (`*-conv.json`): the state of a chat after each reply, and people's votes."""

from collections.abc import Iterator
from hashlib import blake2b

from data_tools.readers.turns import id_of, record_of
from data_tools.records import Branches, RawRecord, Record, Turn
from templates import Role

# Which of the states of a vote people did not want: all, or in a battle one of the two.
_AGAINST = {"downvote": (0,), "flag": (0,), "leftvote": (1,), "rightvote": (0,), "bothbad_vote": (0, 1)}


def holds(value: dict[str, object]) -> bool:
    """Whether a value is a line of a log: ``{"type", "state": {"roles", "messages": [["USER", "Hi"], ...]}}``."""
    return next(_states(value), None) is not None


class Log:
    """What must be known of a whole log before its lines can be read: about 100 bytes for each message.

    A log writes a chat down again after each reply and with each vote. Of these copies the last one is read; the
    others are `continued_later` and `vote`. A reply that people voted against is `voted_down`, or context where the
    chat went on; a reply that an earlier line teaches is context.
    """

    def __init__(self) -> None:
        self._continued: set[bytes] = set()
        self._chats: set[bytes] = set()
        self._against: set[bytes] = set()
        self._taught: set[bytes] = set()

    def scan(self, value: dict[str, object]) -> None:
        """The first pass: take in one line."""
        kind = str(value.get("type"))
        for number, state in enumerate(_states(value)):
            digests = _digests(state)
            if not digests:
                continue
            self._continued.update(digests[:-1])
            if kind == "chat":
                self._chats.add(digests[-1])
            if number in _AGAINST.get(kind, ()):
                self._against.add(digests[-1])

    def mark(self, value: dict[str, object]) -> tuple[dict[str, object], str]:
        """The second pass: the line with what `parse` must know, and the rule that rejects it as a whole."""
        known = [_digests(state) for state in _states(value)]
        if all(digests and digests[-1] in self._continued for digests in known):
            return value, "continued_later"
        is_chat = value.get("type") == "chat"
        if not is_chat and all(digests and digests[-1] in self._chats for digests in known):
            return value, "vote"
        flags = [[digest in self._against or digest in self._taught for digest in digests] for digests in known]
        down = [bool(digests) and digests[-1] in self._against for digests in known]
        self._taught.update(digest for digests in known for digest in digests)
        return value | {"context": flags, "voted_down": down}, ""


def parse(raw: RawRecord, value: dict[str, object], branches: Branches) -> list[Record]:
    """The chat as it stood; both chats of a battle. What the template itself opened with is `template_example`."""
    records, record_id = [], id_of(raw, value)
    flags, down = value.get("context"), value.get("voted_down")
    for number, state in enumerate(_states(value)):
        turns = _turns(state)
        if isinstance(flags, list) and isinstance(down, list) and len(flags) == len(down) > number:
            _apply(turns, flags[number], is_down=down[number])
        system = state.get("system_message")
        if turns and isinstance(system, str) and system:
            turns.insert(0, Turn(-1, "system", system))
        name = id_of(raw, state) if "conv_id" in state else record_id
        records.append(record_of(raw, turns, name))
    return records or [record_of(raw, [], record_id)]


def _apply(turns: list[Turn], flags: object, *, is_down: bool) -> None:
    for turn, is_context in zip(turns, flags if isinstance(flags, list) else [], strict=False):
        if is_context and turn.role == "assistant":
            turn.train = False
    if is_down and turns and not turns[-1].rule:
        turns[-1].rule = "voted_down"


def _states(value: dict[str, object]) -> Iterator[dict[str, object]]:
    states = value.get("states")
    for state in states if isinstance(states, list) else [value.get("state")]:
        if isinstance(state, dict) and isinstance(state.get("messages"), list):
            yield state


def _messages(state: dict[str, object]) -> list[object]:
    messages = state["messages"]
    return messages if isinstance(messages, list) else []


def _digests(state: dict[str, object]) -> list[bytes]:
    """For each message a digest of the chat up to it."""
    digests, before = [], repr((state.get("system_message"), state.get("model_name"))).encode("utf-8", "replace")
    for message in _messages(state):
        before = blake2b(before + repr(message).encode("utf-8", "replace"), digest_size=12).digest()
        digests.append(before)
    return digests


def _turns(state: dict[str, object]) -> list[Turn]:
    roles, offset = state.get("roles"), state.get("offset")
    user = roles[0] if isinstance(roles, list) and roles else "USER"
    turns = []
    for index, item in enumerate(_messages(state)):
        if not isinstance(item, list) or len(item) < 2:
            turns.append(Turn(index, None, "", "not_a_turn"))
            continue
        role: Role = "user" if item[0] == user else "assistant"
        text = "" if item[1] is None else item[1]
        turn = Turn(index, role, text) if isinstance(text, str) else Turn(index, role, "", "not_text")
        if isinstance(offset, int) and index < offset:
            turn.rule = "template_example"
        turns.append(turn)
    return turns
