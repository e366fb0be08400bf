import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from serve.chat.fitting import Fitted, fit
from serve.chat.stream import ChatMessage

SYSTEM = ChatMessage(role="system", content="s" * 50)


def talk(*lengths: int) -> list[ChatMessage]:
    return [ChatMessage(role=("user", "assistant")[at % 2], content="x" * length) for at, length in enumerate(lengths)]


async def characters(messages: Sequence[ChatMessage]) -> int | None:
    return sum(len(message["content"]) for message in messages)


async def unknown(_: Sequence[ChatMessage]) -> int | None:
    return None


def fitted(messages: list[ChatMessage], *, context: int | None, max_tokens: int = 100) -> Fitted:
    return asyncio.run(fit(messages, context=context, max_tokens=max_tokens, count=characters))


def test_the_earliest_pairs_give_way_and_the_system_prompt_stays() -> None:
    messages = [SYSTEM, *talk(300, 300, 300, 300, 200)]
    found = fitted(messages, context=1000)
    assert found == Fitted([SYSTEM, *messages[3:]], left_out=2)


def test_what_fits_or_cannot_be_counted_is_sent_whole() -> None:
    messages = talk(300, 300, 300)
    assert fitted(messages, context=1000).left_out == 0
    assert fitted(messages, context=None) == Fitted(messages)
    assert asyncio.run(fit(messages, context=10, max_tokens=0, count=unknown)) == Fitted(messages)


def test_the_last_question_is_sent_however_long_it_is() -> None:
    assert fitted(talk(10, 10, 5000), context=1000).messages == talk(10, 10, 5000)[2:]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=15).filter(lambda lengths: len(lengths) % 2 == 1))
def test_as_many_pairs_as_there_is_room_for(lengths: list[int]) -> None:
    messages = [SYSTEM, *talk(*lengths)]
    found = fitted(messages, context=1100, max_tokens=100)
    left = found.left_out
    sizes = [sum(lengths[at:]) + 50 for at in range(0, len(lengths), 2)]
    expected = next((2 * at for at, size in enumerate(sizes) if size <= 1000), len(lengths) - 1)
    assert left == expected
