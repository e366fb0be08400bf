import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from data_tools.cleaning import read_conversations
from data_tools.prepare import Options, prepare
from serve.chat.command import main
from serve.chat.imports import import_dumps
from serve.chat.store import conversations, messages
from serve.chat.store.database import open_database
from serve.chat.training_data import export
from serve.chat.votes import Vote, add_vote
from templates import InputError

SAMPLE = Path(__file__).parents[3] / "examples" / "sharegpt_sample.json"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'chat.sqlite'}"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = open_database(url)
    yield made
    made.dispose()


def chat(engine: Engine, *turns: str, owner: str = "", system: str = "") -> tuple[str, list[str]]:
    """A conversation, question and reply in turn; its id and those of its messages."""
    made = conversations.create(engine, owner, system=system, settings={})
    roles = ("user", "assistant")
    ids = [messages.add(engine, owner, made.id, role=roles[at % 2], content=text).id for at, text in enumerate(turns)]
    return made.id, ids


def test_the_shown_branch_is_exported_and_the_rest_counted(engine: Engine) -> None:
    made, (_, reply) = chat(engine, "Name a camelid.", "Horse.", system="Be brief.")
    messages.add_sibling(engine, "", reply, content="Vicuña.")
    chat(engine, "No reply yet")
    found = export(engine, to="sharegpt")
    turns = [{"from": "human", "value": "Name a camelid."}, {"from": "gpt", "value": "Vicuña."}]
    assert found.rows == [{"id": made, "system": "Be brief.", "conversations": turns}]
    assert found.left_out == {"other_branch": 1, "no_reply": 1}


@pytest.mark.parametrize("how", ["thumb", "stopped", "length"])
def test_a_bad_or_broken_reply_is_context(how: str, engine: Engine) -> None:
    made = conversations.create(engine, "", settings={})
    messages.add(engine, "", made.id, role="user", content="Hi")
    kept = {"stopped": {"state": "stopped"}, "length": {"finish_reason": "length"}}.get(how, {})
    reply = messages.add(engine, "", made.id, role="assistant", content="Hm", **kept)
    if how == "thumb":
        messages.judge(engine, "", reply.id, thumb=-1, reason="rude")
    (row,) = export(engine, to="messages").rows
    assert row["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hm", "train": False},
    ]


def test_pairs_come_from_corrections_thumbs_and_votes(engine: Engine) -> None:
    _, (_, first) = chat(engine, "One?", " wrong")  # as a model begins
    half = messages.correct(engine, "", first, "half right")
    messages.correct(engine, "", half.id, "right")
    _, (_, worse) = chat(engine, "Two?", "bad")
    better = messages.add_sibling(engine, "", worse, content="good").id
    messages.judge(engine, "", worse, thumb=-1, reason="")
    messages.judge(engine, "", better, thumb=1, reason="")
    _, (_, unjudged) = chat(engine, "Three?", "a")
    messages.add_sibling(engine, "", unjudged, content="b")
    asked = [{"role": "user", "content": "Four?"}]
    for winner in ("b", "tie"):
        vote = Vote(messages=asked, model_a="x", model_b="y", answer_a="A", answer_b="B", winner=winner)
        add_vote(engine, vote, owner="")
    found = export(engine, to="preferences")
    told = [
        (row["prompt"][-1]["content"], row["chosen"][0]["content"], row["rejected"][0]["content"], row["judged_by"])
        for row in found.rows
    ]
    assert told == [
        ("One?", "right", "wrong", "correction"),
        ("Two?", "good", "bad", "thumbs"),
        ("Four?", "B", "A", "vote"),
    ]
    assert found.left_out == {"not_judged": 2, "tie": 1}


def test_going_on_from_a_regenerated_reply_prefers_it(engine: Engine) -> None:
    made = conversations.create(engine, "", settings={}).id
    messages.add(engine, "", made, role="user", content="A rhyme?")
    first = messages.add(engine, "", made, role="assistant", content="Day, night.", model="m")
    broken = messages.add_sibling(engine, "", first.id, content="Da", model="m", state="stopped")
    messages.add_sibling(engine, "", broken.id, content="Night, light.", model="m")
    messages.add(engine, "", made, role="user", content="Another one?")
    last = messages.add(engine, "", made, role="assistant", content="Tea, sea.", model="m")
    messages.add_sibling(engine, "", last.id, content="Bee, sea.", model="m")  # nobody went on from it
    found = export(engine, to="preferences")
    (pair,) = found.rows
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("Night, light.", "Day, night.")
    assert (pair["judged_by"], found.left_out) == ("regeneration", {"not_judged": 2})


def test_one_persons_chats_alone(engine: Engine) -> None:
    mine, _ = chat(engine, "Hi", "Hello.", owner="ana")
    chat(engine, "Hi", "Hello.", owner="ben")
    assert [row["id"] for row in export(engine, to="messages", owner="ana").rows] == [mine]
    assert export(engine, to="messages", only_marked=True).left_out == {"not_marked": 2}


def test_a_dump_comes_in_and_goes_out_as_it_was(engine: Engine, url: str, tmp_path: Path) -> None:
    done = import_dumps(engine, [SAMPLE])
    assert done.left_out["duplicate"] == 0 < done.left_out.total()
    assert main(["export", "--db", url, "--to", "messages", "--out", str(tmp_path / "out.jsonl")]) == 0
    before = [one.messages for one in read_conversations(SAMPLE, limit=1000)]
    after = [one.messages for one in read_conversations(tmp_path / "out.jsonl", limit=1000)]
    assert len(after) == done.conversations
    assert sorted(map(repr, after)) == sorted(map(repr, before))


def test_what_a_dump_does_not_teach_stays_untaught(engine: Engine, tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hm", "train": False}]
    turns += [{"role": "user", "content": "And?"}, {"role": "assistant", "content": "Hello."}]
    (tmp_path / "dump.jsonl").write_text(json.dumps({"id": "a", "messages": turns}))
    import_dumps(engine, [tmp_path / "dump.jsonl"])
    found = export(engine, to="messages")
    assert found.rows[0]["messages"] == turns
    assert found.left_out == {"untaught": 1}


def test_prepare_takes_the_export_and_teaches_what_was_found_good(
    engine: Engine, url: str, small_model: Path, tmp_path: Path
) -> None:
    _, (_, _, _, bad) = chat(engine, "Name a camelid.", "Vicuña.", "And a fish?", "Whale.")
    messages.judge(engine, "", bad, thumb=-1, reason="no fish")
    out = tmp_path / "chats.jsonl"
    assert main(["export", "--db", url, "--to", "sharegpt", "--out", str(out)]) == 0
    options = Options(
        inputs=(out,), model=str(small_model), template="vicuna_v1.1", out=tmp_path / "d", workers=1, held_out=0.0
    )
    counts = prepare(options)["counts"]
    assert (counts["turns_in"], counts["turns_trained"]) == (4, 1)


def test_nothing_to_export_leaves_no_file(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to export"):
        main(["export", "--db", url, "--to", "sharegpt", "--out", str(tmp_path / "out.jsonl")])
    assert not (tmp_path / "out.jsonl").exists()


def test_a_dump_that_breaks_off_leaves_the_database_as_it_was(engine: Engine, tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]
    whole = json.dumps([{"id": str(number), "conversations": turns} for number in range(300)])
    (tmp_path / "dump.json").write_text(whole[:-40])
    with pytest.raises(InputError, match="truncated"):
        import_dumps(engine, [tmp_path / "dump.json"])
    assert conversations.listed(engine, "") == []
