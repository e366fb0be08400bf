import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from data_tools.cleaning import clean_dumps
from serve.chat.imports import import_dumps
from serve.chat.store import conversations, messages
from serve.chat.store.access import transaction
from serve.chat.store.database import open_database
from serve.chat.store.tables import Message
from serve.chat.training_data import export


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(f"sqlite:///{tmp_path / 'chat.sqlite'}")
    yield made
    made.dispose()


def said(role: str, text: str, *replies: dict[str, Any], **more: object) -> dict[str, Any]:
    """A message of an OpenAssistant tree with what answers it."""
    return {"role": role, "text": text, "replies": list(replies), **more}


def tree(folder: Path, prompt: dict[str, Any]) -> Path:
    path = folder / "trees.jsonl"
    path.write_text(json.dumps({"message_tree_id": "t", "prompt": prompt}), encoding="utf-8")
    return path


BRANCHED = said(
    "prompter",
    "Name a camelid.",
    said("assistant", "Horse.", rank=1),
    said("assistant", "Llama.", said("prompter", "Another?", said("assistant", "Alpaca.")), rank=0),
)


def shown(engine: Engine, conversation: str) -> list[str]:
    return [message.content for message in messages.branch(engine, "", conversation).messages]


def test_a_tree_comes_in_with_branches_that_can_be_switched(engine: Engine, tmp_path: Path) -> None:
    done = import_dumps(engine, [tree(tmp_path, BRANCHED)])
    assert (done.conversations, done.branches, done.turns, done.kept, done.left_out) == (1, 2, 5, 5, {})
    (made,) = conversations.listed(engine, "")
    assert shown(engine, made.id) == ["Name a camelid.", "Llama.", "Another?", "Alpaca."]  # the best rank
    _, reply, *_ = messages.branch(engine, "", made.id).turns
    assert reply.siblings.index(reply.message.id) == 1  # as in the file
    messages.show(engine, "", reply.siblings[0])
    assert shown(engine, made.id) == ["Name a camelid.", "Horse."]
    messages.show(engine, "", reply.siblings[1])
    assert len(shown(engine, made.id)) == 4


def test_every_turn_is_kept_or_left_out_by_name_once(engine: Engine, tmp_path: Path) -> None:
    prompt = said(
        "prompter",
        "Hi",
        said("assistant", "spam", said("prompter", "And?", said("assistant", "Yes.")), deleted=True, rank=0),
        said("assistant", "Hello.", said("prompter", "Nobody answers this")),
        said("assistant", "Good day."),
    )
    done = import_dumps(engine, [tree(tmp_path, prompt)])
    assert (done.turns, done.kept, done.branches) == (7, 5, 3)
    assert done.left_out == {"deleted": 1, "trailing_question": 1}
    (made,) = conversations.listed(engine, "")
    asked = {messages.get(engine, "", one).content for one in messages.branch(engine, "", made.id).turns[0].siblings}
    assert asked == {"Hi", "And?"}  # what followed the deleted reply stands alone


def test_paths_under_other_system_prompts_are_conversations_of_their_own(engine: Engine, tmp_path: Path) -> None:
    def node(name: str, parent: str | None, role: str, text: str) -> dict[str, Any]:
        message = {"author": {"role": role}, "content": {"content_type": "text", "parts": [text]}}
        return {"id": name, "parent": parent, "message": message}

    nodes = [
        node("a", None, "system", "Be brief."),
        node("b", "a", "user", "Hi"),
        node("c", "b", "assistant", "Hello."),
        node("d", None, "system", "Be kind."),
        node("e", "d", "user", "Hi"),
        node("f", "e", "assistant", "Dear you."),
    ]
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([{"mapping": {one["id"]: one for one in nodes}, "current_node": "f"}]))
    done = import_dumps(engine, [path])
    assert (done.conversations, done.branches, done.turns, done.kept) == (2, 2, 6, 6)
    assert {one.system for one in conversations.listed(engine, "")} == {"Be brief.", "Be kind."}


@pytest.mark.parametrize(
    ("dump", "nodes"), [("other_formats/oasst_en_100_tree.jsonl", 1167), ("chatgpt_export/conversations_20.json", 0)]
)
def test_real_trees_come_in_and_go_out_without_loss(dump: str, nodes: int, engine: Engine, shared_data: Path) -> None:
    """What comes out are all paths of the dump, in the words and with the flags that `data prepare` reads."""
    done = import_dumps(engine, [shared_data / dump])
    assert done.turns == (nodes or _messages_of_export(shared_data / dump))
    assert done.turns == done.kept + done.left_out.total()
    assert done.left_out["other_branch"] == 0
    found = export(engine, to="messages", branches="all")
    assert (len(found.rows), found.left_out["other_branch"]) == (done.branches, 0)
    batches = clean_dumps([shared_data / dump], workers=1, report=lambda _: None, branches="all")
    paths = {tuple((str(one.role), one.content) for one in record.messages) for batch, _ in batches for record in batch}
    rows = sorted(tuple((one["role"], one["content"]) for one in row["messages"]) for row in found.rows)
    assert rows == sorted(_without_beginnings(paths))
    taught = [one for row in found.rows for one in row["messages"] if one["role"] == "assistant" and "train" not in one]
    with transaction(engine) as session:
        held = session.scalar(select(func.count()).select_from(Message).where(Message.role == "assistant"))
    assert len(taught) == held  # each once


def test_the_shown_branch_alone_counts_the_others(engine: Engine, tmp_path: Path) -> None:
    import_dumps(engine, [tree(tmp_path, BRANCHED)])
    main, every = (export(engine, to="messages", branches=branches) for branches in ("main", "all"))
    assert (len(main.rows), main.left_out) == (1, {"other_branch": 1})
    of = main.rows[0]["id"]
    assert every.rows[0] == main.rows[0] | {"branch_of": of, "turn_numbers": [0, 2, 3, 4]}
    assert (len(every.rows), every.left_out, every.rows[1]["turn_numbers"]) == (2, {}, [0, 1])
    assert every.rows[1]["id"] == f"{every.rows[0]['id']}_1"


def test_of_all_branches_each_reply_is_taught_once_and_what_was_corrected_never(engine: Engine) -> None:
    made = conversations.create(engine, "", settings={}).id
    messages.add(engine, "", made, role="user", content="2 + 2?")
    wrong = messages.add(engine, "", made, role="assistant", content="5")
    better = messages.correct(engine, "", wrong.id, "Four?")
    messages.correct(engine, "", better.id, "4")
    messages.add(engine, "", made, role="user", content="And 3 + 3?")
    six = messages.add(engine, "", made, role="assistant", content="6")
    messages.add_sibling(engine, "", six.id, content="Six.")
    found = export(engine, to="messages", branches="all")
    taught = [
        [one["content"] for one in row["messages"] if one["role"] == "assistant" and one.get("train") is not False]
        for row in found.rows
    ]
    assert taught == [["4", "Six."], [], [], ["6"]]
    assert found.left_out == {"untaught": 2}


@pytest.mark.parametrize("form", ["sharegpt", "messages"])
def test_an_export_of_all_branches_comes_in_as_the_trees_that_it_was(form: str, engine: Engine, tmp_path: Path) -> None:
    made = conversations.create(engine, "", system="Be brief.", settings={}).id
    messages.add(engine, "", made, role="user", content="Name a camelid.")
    first = messages.add(engine, "", made, role="assistant", content="Llama.")
    messages.add_sibling(engine, "", first.id, content="Llama.")  # the same words, another reply
    messages.add(engine, "", made, role="user", content="Another?")
    horse = messages.add(engine, "", made, role="assistant", content="Horse.")
    messages.correct(engine, "", horse.id, "Alpaca.")
    messages.show(engine, "", first.id)
    alone = conversations.create(engine, "", settings={}).id
    messages.add(engine, "", alone, role="user", content="Hi")
    messages.add(engine, "", alone, role="assistant", content="Hello.")
    before = export(engine, to=form, branches="all")
    dump = tmp_path / "all.jsonl"
    dump.write_text("".join(f"{json.dumps(row)}\n" for row in before.rows), encoding="utf-8")
    other = open_database(f"sqlite:///{tmp_path / 'other.sqlite'}")
    done = import_dumps(other, [dump])
    assert (done.conversations, done.branches, done.kept) == (2, 4, 9)
    after = export(other, to=form, branches="all")
    ids = dict(zip((row["id"] for row in after.rows), (row["id"] for row in before.rows), strict=True))
    assert [row | {"id": ids[row["id"]], **_named(row, ids)} for row in after.rows] == before.rows
    back = next(one.id for one in conversations.listed(other, "") if one.system)
    assert [len(turn.siblings) for turn in messages.branch(other, "", back).turns] == [1, 2]
    assert shown(other, back) == ["Name a camelid.", "Llama."]
    other.dispose()


def test_rows_that_do_not_say_where_their_turns_are_stay_conversations(engine: Engine, tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    told: list[object] = [[0], "01", [0, "1"], None]
    rows = [{"id": "a", "branch_of": "a", "turn_numbers": numbers, "messages": turns} for numbers in told]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    assert import_dumps(engine, [tmp_path / "rows.json"]).conversations == len(told)


def test_branches_that_contradict_each_other_lose_nothing(engine: Engine, tmp_path: Path) -> None:
    rows = [
        {
            "id": f"a_{reply}",
            "branch_of": "a",
            "turn_numbers": [0, 1],
            "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": reply}],
        }
        for reply in ("Hello.", "Good day.")
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    assert import_dumps(engine, [tmp_path / "rows.json"]).branches == 2


def _named(row: dict[str, Any], ids: dict[str, str]) -> dict[str, str]:
    return {"branch_of": ids[row["branch_of"]]} if "branch_of" in row else {}


def _without_beginnings(paths: set[tuple[tuple[str, str], ...]]) -> list[tuple[tuple[str, str], ...]]:
    """Paths of which another one is no continuation (a question without a reply was cut from both)."""
    ordered = sorted(path for path in paths if path)
    return [path for path, following in pairwise([*ordered, ()]) if following[: len(path)] != path]


def _messages_of_export(dump: Path) -> int:
    chats = json.loads(dump.read_text(encoding="utf-8"))
    return sum(node.get("message") is not None for chat in chats for node in chat["mapping"].values())
