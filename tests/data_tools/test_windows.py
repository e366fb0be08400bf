from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

import templates
from data_tools.documents import columns_of, pieces_of
from data_tools.overlong import MARKER, cut_reply, shorten
from data_tools.packing import cuts_to_fit
from data_tools.windows import WindowMaker
from templates import Conversation, Encoded, InputError, Message
from templates.encoder import Encoder

WINDOW = 160


@pytest.fixture(scope="module", params=["llama_tokenizer", "smollm2_tokenizer"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    tokenizer: PreTrainedTokenizerBase = request.getfixturevalue(request.param)
    return Encoder(templates.load("vicuna_v1.1"), tokenizer)


def conversation(*contents: str, system: str = "") -> Conversation:
    messages = [Message(role="assistant" if k % 2 else "user", content=text) for k, text in enumerate(contents)]
    first = [Message(role="system", content=system)] if system else []
    return Conversation(id="c", messages=(*first, *messages))


def made(encoder: Encoder, *conversations: Conversation, overlap: int = 0, window: int = WINDOW) -> WindowMaker:
    maker = WindowMaker(conversations, encoder=encoder, window=window, overlap=overlap)
    maker.run()
    return maker


def cut_to_fit(encoder: Encoder, maker: WindowMaker) -> None:
    """Cut some documents as `fit` does."""
    documents = maker.documents
    cuts = cuts_to_fit([len(one.ids) for one in documents], [one.pairs for one in documents], window=WINDOW)
    rows = columns_of(documents).rows
    maker.documents = [one for number, one in enumerate(documents) if number not in cuts]
    maker.cut([piece for number, at in cuts.items() for piece in pieces_of(rows[number], at, conversation=0)])


def taught(encoder: Encoder, maker: WindowMaker) -> str:
    """The text of all supervised tokens in order."""
    ids = [int(token) for document in maker.documents for token in document.ids[document.mask]]
    return str(encoder._tokenizer.decode(ids))


def decoded(encoder: Encoder, maker: WindowMaker) -> list[str]:
    return [str(encoder._tokenizer.decode(document.ids)) for document in maker.documents]


WORDS = st.lists(st.sampled_from(["tea", "grün", "水", "\n", "x = 1;", "🙂", "Lorem ipsum dolor"]), min_size=1)
LENGTHS = st.sampled_from([1, 3, 10, 40])
TEXTS = st.builds(lambda words, times: (" ".join(words) * times).strip() or "x", WORDS.map(lambda w: w[:8]), LENGTHS)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6), st.sampled_from(["", "Be kind.", "Long. " * 80]),
       st.integers(0, 2), st.booleans())  # fmt: skip
def test_every_supervised_token_is_taught_exactly_once(
    encoder: Encoder, pairs: list[tuple[str, str]], system: str, overlap: int, cut: bool
) -> None:
    whole = conversation(*(text for pair in pairs for text in pair), system=system)
    maker = made(encoder, whole, overlap=overlap)
    if cut:
        before = maker.fates()
        cut_to_fit(encoder, maker)
        assert maker.fates() == before
    assert all(len(document.ids) <= WINDOW and not document.mask[0] for document in maker.documents)
    [expected] = encoder.encode([whole])
    fate = maker.fates()[0]
    replies = {turn: message for turn, message in enumerate(whole.messages) if message.role == "assistant"}
    kept = [message.content for turn, message in replies.items() if turn not in fate.rejected]
    stop = encoder._tokenizer.eos_token
    assert taught(encoder, maker).replace(" ", "") == "".join(text + stop for text in kept).replace(" ", "")
    assert sum(fate.supervised) == sum(int(document.mask.sum()) for document in maker.documents)
    if not fate.rejected and not expected.rejected:
        assert sum(fate.supervised) == sum(expected.mask)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6), st.sampled_from(["", "Be kind."]))
def test_a_reply_without_a_question_is_context_and_all_others_are_taught_once(
    encoder: Encoder, reply: str, pairs: list[tuple[str, str]], system: str
) -> None:
    rest = conversation(*(text for pair in pairs for text in pair), system=system)
    first = len(system) > 0
    opening = Message(role="assistant", content=reply)
    whole = replace(rest, messages=(*rest.messages[:first], opening, *rest.messages[first:]))
    maker = made(encoder, whole)
    before = maker.fates()
    cut_to_fit(encoder, maker)
    [fate] = maker.fates()
    assert fate == before[0]
    assert all(len(document.ids) <= WINDOW for document in maker.documents)
    assert fate.supervised[first] == 0
    kept = [
        message.content
        for turn, message in enumerate(whole.messages)
        if message.role == "assistant" and turn > first and turn not in fate.rejected
    ]
    stop = encoder._tokenizer.eos_token
    assert taught(encoder, maker).replace(" ", "") == "".join(text + stop for text in kept).replace(" ", "")


FLAGS = st.lists(st.sampled_from([None, True, False]), min_size=6, max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6), FLAGS, st.integers(0, 2), st.booleans())
def test_only_replies_that_may_be_taught_are_taught_each_once(
    encoder: Encoder, pairs: list[tuple[str, str]], flags: list[bool | None], overlap: int, only_last: bool
) -> None:
    if only_last:
        flags = [False] * (len(pairs) - 1) + [None]
    plain = conversation(*(text for pair in pairs for text in pair))
    messages = [
        replace(message, train=flags[turn // 2]) if turn % 2 else message for turn, message in enumerate(plain.messages)
    ]
    maker = WindowMaker(
        [replace(plain, messages=tuple(messages))], encoder=encoder, window=WINDOW, overlap=overlap, only_last=only_last
    )
    maker.run()
    fate = maker.fates()[0]
    kept = [one.content for turn, one in enumerate(messages) if turn % 2 and one.train is not False]
    stop = encoder._tokenizer.eos_token
    assert taught(encoder, maker).replace(" ", "") == "".join(text + stop for text in kept).replace(" ", "")
    assert all(not fate.supervised[turn] for turn, one in enumerate(messages) if one.train is False)
    assert all(messages[turn].train is False for turn in fate.rejected)


def test_the_only_reply_that_is_taught_has_as_much_before_it_as_fits(encoder: Encoder) -> None:
    contents = [f"{kind}{n} " + "tea " * 15 for n in range(8) for kind in ("question", "answer")]
    one = conversation(*contents)
    messages = [
        replace(m, train=False) if m.role == "assistant" and m is not one.messages[-1] else m for m in one.messages
    ]
    maker = WindowMaker([replace(one, messages=tuple(messages))], encoder=encoder, window=WINDOW, only_last=True)
    maker.run()
    [text] = decoded(encoder, maker)
    assert "question7" in text
    assert "question6" in text
    assert "question0" not in text
    assert taught(encoder, maker).strip().startswith("answer7")


def test_a_short_conversation_is_one_document_with_the_encoder_s_ids(encoder: Encoder) -> None:
    one = conversation("Hi", "Hello!", "How are you?", "Fine.")
    maker = made(encoder, one)
    [document], [encoded] = maker.documents, encoder.encode([one])
    assert document.ids.tolist() == encoded.ids
    assert document.mask.tolist() == encoded.mask


def test_each_document_opens_with_the_system_prompt(encoder: Encoder) -> None:
    maker = made(encoder, conversation(*["tea and water " * 20, "yes " * 20] * 4, system="Speak like a pirate."))
    texts = decoded(encoder, maker)
    assert len(texts) > 1
    assert all("Speak like a pirate. USER:" in text for text in texts)


def test_overlap_repeats_the_preceding_pair_without_loss(encoder: Encoder) -> None:
    contents = [f"{kind}{n} " + "tea " * 15 for n in range(5) for kind in ("question", "answer")]
    maker = made(encoder, conversation(*contents), overlap=1)
    texts = decoded(encoder, maker)
    firsts = [min(n for n in range(5) if f"question{n}" in text) for text in texts]
    lasts = [max(n for n in range(5) if f"question{n}" in text) for text in texts]
    assert len(texts) > 1
    assert firsts[1:] == lasts[:-1]
    assert taught(encoder, maker).count("answer") == 5


def test_a_prompt_too_long_is_shortened_from_its_middle_and_the_reply_kept(encoder: Encoder) -> None:
    question = "BEGIN " + "tea " * 400 + "END"
    maker = made(encoder, conversation(question, "The whole reply."))
    [text] = decoded(encoder, maker)
    assert "BEGIN" in text
    assert MARKER.strip() in text
    assert "END ASSISTANT: The whole reply." in text
    assert len(maker.documents[0].ids) > WINDOW * 0.8
    assert maker.fates()[0].changed == {0: "shortened"}


def test_a_reply_too_long_goes_on_in_further_documents(encoder: Encoder) -> None:
    reply = " ".join(f"w{n}" for n in range(300))
    maker = made(encoder, conversation("Count.", reply))
    assert len(maker.documents) > 3
    assert taught(encoder, maker).strip() == reply + encoder._tokenizer.eos_token
    stops = [int((document.ids[-1] == encoder.stop_ids[0]).sum()) for document in maker.documents]
    assert stops == [0] * (len(stops) - 1) + [1]
    assert all("USER: Count. ASSISTANT:" in text for text in decoded(encoder, maker))
    assert maker.fates()[0].changed == {1: "continued"}


def test_a_reply_that_cannot_be_taught_is_rejected_alone(encoder: Encoder) -> None:
    maker = made(encoder, conversation("Hi", " ", "Hi again", "Hello!"))
    fate = maker.fates()[0]
    assert fate.rejected == {1: "empty_reply"}
    assert fate.supervised[3] > 0
    assert taught(encoder, maker).strip() == "Hello!" + encoder._tokenizer.eos_token


def test_a_window_too_small_for_the_template_is_refused(encoder: Encoder) -> None:
    with pytest.raises(InputError, match="--window 50 is too small for template vicuna_v1"):
        made(encoder, window=50)


@given(st.integers(1, 200), st.integers(1, 900), st.integers(220, 400))
def test_cut_replies_join_to_the_whole(prompt: int, reply: int, window: int) -> None:
    pair = Encoded(np.arange(prompt + reply, dtype=np.uint32), np.arange(prompt + reply) >= prompt)
    documents = cut_reply(pair, window=window)
    assert [int(token) for ids, mask in documents for token in ids[mask]] == pair.ids[prompt:]
    assert all(len(ids) <= window for ids, _ in documents)
    assert all(ids[:prompt].tolist() == pair.ids[:prompt] for ids, _ in documents)


@given(st.text(max_size=50), st.integers(0, 60))
def test_shorten_keeps_both_ends(text: str, keep: int) -> None:
    short = shorten(text, keep)
    head, _, tail = short.partition(MARKER)
    assert short == text if keep >= len(text) else text.startswith(head) and text.endswith(tail)
