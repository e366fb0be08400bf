import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from serve.chat.actions import Actions
from serve.chat.context import Context
from serve.chat.endpoints import connect
from serve.chat.replies import Replies, mark_cut, save
from serve.chat.store import messages
from serve.chat.store.database import open_database
from serve.chat.store.tables import Message
from serve.chat.stream import Settings
from tests.serve.scripted_server import MODEL, ScriptedServer

GIVEN = Settings(model=MODEL)
WORDS = " ".join(f"w{n}" for n in range(40))


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(f"sqlite:///{tmp_path / 'chat.sqlite'}")


def run(engine: Engine, scripted: ScriptedServer, talk: Callable[[Actions], Awaitable[str]]) -> list[Message]:
    """Have a talk, wait until nothing grows any more, and return the shown branch."""

    async def whole() -> str:
        endpoint = connect([scripted.base_url], keys=None)
        replies = Replies(engine, endpoint)
        conversation = await talk(Actions(Context(engine=engine, endpoint=endpoint), replies, ""))
        for message in messages.branch(engine, "", conversation).messages:
            await over(replies, message.id)
        return conversation

    return messages.branch(engine, "", asyncio.run(whole())).messages


async def over(replies: Replies, message: str) -> None:
    while replies.get(message):
        await asyncio.sleep(0.01)


def leaf(engine: Engine, conversation: str) -> Message:
    return messages.branch(engine, "", conversation).messages[-1]


def test_a_reply_is_kept_with_what_it_took(engine: Engine, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.seconds_per_word = ["one two three"], 0.02
    question, reply = run(engine, scripted, lambda actions: actions.send("", "Count", GIVEN))
    assert (question.content, reply.content, reply.state, reply.model) == ("Count", "one two three", "whole", MODEL)
    assert reply.seconds_to_first is not None
    assert reply.seconds is not None
    assert 0 < reply.seconds_to_first < reply.seconds


def test_a_reply_that_two_ask_to_go_on_goes_on_once(engine: Engine, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.seconds_per_word = [WORDS], 0.02

    async def talk(actions: Actions) -> str:
        conversation = await actions.send("", "Count", GIVEN)
        await asyncio.sleep(0.3)
        reply = leaf(engine, conversation)
        actions.stop(reply.id)
        await over(actions.replies, reply.id)
        await asyncio.gather(*(actions.go_on(reply.id, GIVEN) for _ in range(4)))
        return conversation

    _, reply = run(engine, scripted, talk)
    assert len(scripted.requests) == 2
    assert reply.state == "whole"


def kept_after(seconds: float, engine: Engine, scripted: ScriptedServer) -> tuple[Message, Message]:
    """What the database holds of a reply so long after its question, and in the end."""
    kept = []

    async def talk(actions: Actions) -> str:
        conversation = await actions.send("", "Count", GIVEN)
        await asyncio.sleep(seconds)
        kept.append(leaf(engine, conversation))
        return conversation

    _, reply = run(engine, scripted, talk)
    return kept[0], reply


def test_what_came_before_a_silence_is_written_within_a_second(engine: Engine, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.seconds_per_word = ["one two"], 2.0
    kept, reply = kept_after(1.5, engine, scripted)
    assert (kept.content, kept.state) == ("one", "growing")
    assert (reply.content, reply.state) == ("one two", "whole")


def test_it_is_written_while_it_grows_and_goes_on_with_nobody_watching(
    engine: Engine, scripted: ScriptedServer
) -> None:
    scripted.replies, scripted.seconds_per_word = [WORDS], 0.05
    kept, reply = kept_after(1.3, engine, scripted)
    assert kept.state == "growing"
    assert len(kept.content.split()) > 8
    assert reply.content == WORDS


def test_a_database_that_is_busy_for_a_while_does_not_end_the_reply(
    engine: Engine, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def refuse_once(engine: Engine, message: Message) -> None:
        if not refused:
            refused.append(message.content)
            raise OperationalError("update messages", None, Exception("database is locked"))
        save(engine, message)

    monkeypatch.setattr("serve.chat.replies.save", refuse_once)
    scripted.replies, scripted.seconds_per_word = [WORDS], 0.05
    kept, reply = kept_after(1.8, engine, scripted)
    assert refused
    assert kept.content.startswith(refused[0])
    assert (reply.content, reply.state) == (WORDS, "whole")


def test_stop_acts_at_once_and_keeps_the_text(engine: Engine, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.seconds_per_word = [WORDS], 0.1

    async def talk(actions: Actions) -> str:
        conversation = await actions.send("", "Count", GIVEN)
        await asyncio.sleep(0.35)
        began, reply = time.monotonic(), leaf(engine, conversation).id
        actions.stop(reply)
        await over(actions.replies, reply)
        assert time.monotonic() - began < 0.3
        return conversation

    _, reply = run(engine, scripted, talk)
    assert reply.state == "stopped"
    assert reply.content.startswith("w0 w1")
    assert "w20" not in reply.content


def test_what_grew_when_a_process_ended_is_cut_and_can_go_on(engine: Engine, scripted: ScriptedServer) -> None:
    scripted.replies = [" three four"]
    with_half = {"state": "growing", "model": MODEL}

    async def talk(actions: Actions) -> str:
        from serve.chat.store import conversations

        conversation = conversations.create(engine, "", settings={}).id
        messages.add(engine, "", conversation, role="user", content="Count")
        messages.add(engine, "", conversation, role="assistant", content="one two", **with_half)
        mark_cut(engine)
        assert leaf(engine, conversation).state == "cut"
        return await actions.go_on(leaf(engine, conversation).id, GIVEN)

    _, reply = run(engine, scripted, talk)
    assert (reply.content, reply.state) == ("one two three four", "whole")
    request = scripted.requests[0]
    assert request["messages"][-1] == {"role": "assistant", "content": "one two"}
    assert (request["continue_final_message"], request["add_generation_prompt"]) == (True, False)


def test_a_failure_keeps_the_question_and_a_retry_takes_its_place(engine: Engine, scripted: ScriptedServer) -> None:
    scripted.error = (400, "This model's maximum context length is 2048 tokens. You requested 2360 tokens.")
    failed = run(engine, scripted, lambda actions: actions.send("", "Long", GIVEN))[-1]
    assert (failed.state, failed.content) == ("failed", "")
    assert failed.error.startswith("400 This model's")
    scripted.error = None
    retried = run(engine, scripted, lambda actions: actions.regenerate(failed.id, GIVEN))
    assert [(message.content, message.state) for message in retried] == [("Long", "whole"), ("Hello.", "whole")]
    assert retried[-1].id == failed.id


def test_a_server_that_cannot_continue_makes_the_reply_anew(engine: Engine, scripted: ScriptedServer) -> None:
    scripted.refuses_to_continue, scripted.replies = True, ["unused", "Anew."]

    async def talk(actions: Actions) -> str:
        conversation = await actions.send("", "Count", GIVEN)
        await over(actions.replies, leaf(engine, conversation).id)
        return await actions.go_on(leaf(engine, conversation).id, GIVEN)

    assert run(engine, scripted, talk)[-1].content == "Anew."


def test_early_pairs_without_room_are_not_sent_and_counted(engine: Engine, scripted: ScriptedServer) -> None:
    scripted.context, scripted.replies = 120, ["x " * 40 + "."]

    async def talk(actions: Actions) -> str:
        conversation = ""
        for number in range(4):
            conversation = await actions.send(conversation, f"Question {number}", GIVEN)
            await over(actions.replies, leaf(engine, conversation).id)
        return conversation

    reply = run(engine, scripted, talk)[-1]
    assert reply.sampling["left_out"] > 0
    assert scripted.requests[-1]["messages"][0]["content"] != "Question 0"


def test_what_still_grows_at_the_end_of_the_process_is_kept(engine: Engine, scripted: ScriptedServer) -> None:
    scripted.replies, scripted.seconds_per_word = [WORDS], 0.05

    async def talk() -> str:
        endpoint = connect([scripted.base_url], keys=None)
        replies = Replies(engine, endpoint)
        actions = Actions(Context(engine=engine, endpoint=endpoint), replies, "")
        conversation = await actions.send("", "Count", GIVEN)
        await asyncio.sleep(0.4)
        replies.save_all()
        reply = leaf(engine, conversation)
        assert (reply.state, reply.content[:5]) == ("cut", "w0 w1")
        actions.stop(reply.id)
        await over(replies, reply.id)
        return conversation

    asyncio.run(talk())
