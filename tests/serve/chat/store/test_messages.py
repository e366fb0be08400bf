from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import StaticPool

from serve.chat.store import conversations, messages
from serve.chat.store.access import NotFoundError
from serve.chat.store.database import open_database
from serve.chat.store.tables import Base

ANN, BEN = "ann", "ben"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(f"sqlite:///{tmp_path / 'chat.sqlite'}")


def talk(engine: Engine, *texts: str) -> str:
    conversation = conversations.create(engine, ANN, settings={}).id
    for at, text in enumerate(texts):
        messages.add(engine, ANN, conversation, role="assistant" if at % 2 else "user", content=text)
    return conversation


def shown(engine: Engine, conversation: str) -> list[str]:
    return [message.content for message in messages.branch(engine, ANN, conversation).messages]


def test_the_first_question_gives_the_title_and_a_person_another(engine: Engine) -> None:
    conversation = talk(engine, "How do llamas\nhum?", "Softly.", "Why?")
    assert [each.title for each in conversations.listed(engine, ANN)] == ["How do llamas"]
    conversations.rename(engine, ANN, conversation, " Humming ")
    assert conversations.get(engine, ANN, conversation).title == "Humming"
    conversations.rename(engine, ANN, conversation, "")
    assert conversations.get(engine, ANN, conversation).title == "How do llamas"


def test_search_finds_titles_and_contents_and_takes_signs_as_they_are(engine: Engine) -> None:
    first, second = talk(engine, "Llamas", "They HUM 100% of the day"), talk(engine, "Alpacas", "Silence")
    assert [each.id for each in conversations.listed(engine, ANN)] == [second, first]
    assert [each.id for each in conversations.listed(engine, ANN, search="hum llama")] == [first]
    assert [each.id for each in conversations.listed(engine, ANN, search="100%")] == [first]
    assert conversations.listed(engine, ANN, search="1%0") == []
    conversations.pin(engine, ANN, first, is_pinned=True)
    assert [each.id for each in conversations.listed(engine, ANN)] == [first, second]


def test_a_deleted_conversation_is_gone_until_it_is_brought_back(engine: Engine) -> None:
    conversation = talk(engine, "Hello", "Hi")
    conversations.remove(engine, ANN, conversation)
    assert conversations.listed(engine, ANN) == []
    with pytest.raises(NotFoundError):
        messages.branch(engine, ANN, conversation)
    conversations.restore(engine, ANN, conversation)
    assert shown(engine, conversation) == ["Hello", "Hi"]


def test_an_edited_question_is_a_new_branch_and_the_old_one_comes_back(engine: Engine) -> None:
    conversation = talk(engine, "a", "b", "c", "d")
    old = messages.branch(engine, ANN, conversation).messages[2]
    messages.add_sibling(engine, ANN, old.id, content="c2")
    assert shown(engine, conversation) == ["a", "b", "c2"]
    assert len(messages.branch(engine, ANN, conversation).turns[-1].siblings) == 2
    messages.show(engine, ANN, old.id)
    assert shown(engine, conversation) == ["a", "b", "c", "d"]


def test_a_correction_stands_beside_the_reply_that_it_corrects(engine: Engine) -> None:
    conversation = talk(engine, "2+2?", "5")
    question, reply = messages.branch(engine, ANN, conversation).messages
    messages.correct(engine, ANN, messages.correct(engine, ANN, reply.id, "4.").id, "4")
    turn = messages.branch(engine, ANN, conversation).turns[-1]
    assert (turn.message.content, turn.message.corrects, len(turn.siblings)) == ("4", reply.id, 3)
    with pytest.raises(NotFoundError):
        messages.correct(engine, ANN, question.id, "x")


def test_undo_gives_the_question_back(engine: Engine) -> None:
    conversation = talk(engine, "a", "b", "c", "d")
    assert messages.undo(engine, ANN, conversation) == "c"
    assert shown(engine, conversation) == ["a", "b"]
    assert messages.undo(engine, ANN, conversation) == "a"
    with pytest.raises(NotFoundError):
        messages.undo(engine, ANN, conversation)


def test_nobody_reaches_anothers(engine: Engine) -> None:
    conversation = talk(engine, "secret", "yes")
    message = messages.branch(engine, ANN, conversation).messages[1].id
    kept: dict[str, Any] = {"model": "", "system": "", "settings": {}}
    attempts: list[Callable[[], object]] = [
        lambda: conversations.get(engine, BEN, conversation),
        lambda: conversations.rename(engine, BEN, conversation, "x"),
        lambda: conversations.pin(engine, BEN, conversation, is_pinned=True),
        lambda: conversations.configure(engine, BEN, conversation, **kept),
        lambda: conversations.remove(engine, BEN, conversation),
        lambda: conversations.restore(engine, BEN, conversation),
        lambda: messages.branch(engine, BEN, conversation),
        lambda: messages.get(engine, BEN, message),
        lambda: messages.before(engine, BEN, message),
        lambda: messages.add(engine, BEN, conversation, role="user", content="x"),
        lambda: messages.add_sibling(engine, BEN, message, content="x"),
        lambda: messages.correct(engine, BEN, message, "x"),
        lambda: messages.show(engine, BEN, message),
        lambda: messages.undo(engine, BEN, conversation),
        lambda: messages.remove(engine, BEN, message),
        lambda: messages.judge(engine, BEN, message, thumb=1, reason=""),
    ]
    for attempt in attempts:
        with pytest.raises(NotFoundError):
            attempt()
    assert conversations.listed(engine, BEN) == []
    assert conversations.listed(engine, BEN, search="secret") == []
    assert shown(engine, conversation) == ["secret", "yes"]


class TreeMachine(RuleBasedStateMachine):
    """Any order of changes, against a model that keeps parents in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        Base.metadata.create_all(self.engine)
        self.conversation = conversations.create(self.engine, ANN, settings={}).id
        self.parents: dict[str, str | None] = {}
        self.count = 0

    def text(self) -> str:
        self.count += 1
        return f"text {self.count}"

    def shown(self) -> list[str]:
        return [each.id for each in messages.branch(self.engine, ANN, self.conversation).messages]

    @rule()
    def add(self) -> None:
        path = self.shown()
        role = "assistant" if len(path) % 2 else "user"
        new = messages.add(self.engine, ANN, self.conversation, role=role, content=self.text())
        self.parents[new.id] = path[-1] if path else None
        assert self.shown() == [*path, new.id]

    @precondition(lambda self: self.parents)
    @rule(data=st.data())
    def sibling(self, data: st.DataObject) -> None:
        other = data.draw(st.sampled_from(list(self.parents)))
        new = messages.add_sibling(self.engine, ANN, other, content=self.text())
        self.parents[new.id] = self.parents[other]
        assert self.shown()[-1] == new.id

    @precondition(lambda self: self.parents)
    @rule(data=st.data())
    def show(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(list(self.parents)))
        messages.show(self.engine, ANN, chosen)
        assert chosen in self.shown()

    @precondition(lambda self: self.parents)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        gone = {data.draw(st.sampled_from(list(self.parents)))}
        path = self.shown()
        messages.remove(self.engine, ANN, next(iter(gone)))
        while more := {child for child, parent in self.parents.items() if parent in gone} - gone:
            gone |= more
        self.parents = {child: parent for child, parent in self.parents.items() if child not in gone}
        if not gone & set(path):
            assert self.shown() == path

    @precondition(lambda self: any(self.shown()))
    @rule()
    def undo(self) -> None:
        path = messages.branch(self.engine, ANN, self.conversation).messages
        last = max(at for at, message in enumerate(path) if message.role == "user")
        assert messages.undo(self.engine, ANN, self.conversation) == path[last].content
        assert self.shown() == [message.id for message in path[:last]]

    @invariant()
    def the_branch_is_a_path_of_the_tree(self) -> None:
        turns = messages.branch(self.engine, ANN, self.conversation).turns
        path: list[str | None] = [None, *(turn.message.id for turn in turns)]
        for parent, turn in zip(path, turns, strict=False):
            assert self.parents[turn.message.id] == parent
            assert set(turn.siblings) == {child for child, of in self.parents.items() if of == parent}

    def teardown(self) -> None:
        self.engine.dispose()


TestTree = TreeMachine.TestCase
TestTree.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
