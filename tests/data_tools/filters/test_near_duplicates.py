import json
import random
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from data_tools.comparable import comparable
from data_tools.filters.near_duplicates import NearDuplicateFilter, shingles, signatures

WORDS = ["bridge", "train", "river", "road", "hill", "people", "sleep", "towns", "sea", "over", "by", "under"]


def text_of(seed: int, words: int = 300) -> list[str]:
    return random.Random(seed).choices([*WORDS, *map(str, range(400))], k=words)


def value(name: str, words: list[str]) -> tuple[str, bytes]:
    return name, signature(" ".join(words))


def signature(text: str) -> bytes:
    [signed] = signatures([[comparable(text)]])
    return signed


def test_copies_are_found_and_others_are_not() -> None:
    first, other = text_of(1), text_of(2)
    edited = [*first[:100], "changed", *first[101:]]
    half = [*first[:150], *other[150:]]
    values = [value(name, words) for name, words in (("a", first), ("b", other), ("c", edited), ("d", half))]
    verdicts = NearDuplicateFilter(0.8).decide(values)
    assert [verdict and verdict.because[5:] for verdict in verdicts] == [None, None, "like a", None]


def test_the_kept_one_is_never_itself_a_copy() -> None:
    words = text_of(3)
    chain = [[*words[: 300 - 12 * step], *text_of(9)[300 - 12 * step :]] for step in range(12)]
    values = [value(str(at), one) for at, one in enumerate(chain)]
    verdicts = NearDuplicateFilter(0.8).decide(values)
    named = {verdict.because.split()[-1] for verdict in verdicts if verdict}
    kept = {str(at) for at, verdict in enumerate(verdicts) if verdict is None}
    assert named <= kept
    assert 1 < len(kept) < 12


def test_estimates_agree_with_exact_overlap() -> None:
    first = text_of(4)
    for changed in (10, 40, 90):
        other = [*first[:-changed], *text_of(5)[-changed:]]
        one, two = (set(shingles([[comparable(" ".join(words))]])[0].tolist()) for words in (first, other))
        exact = len(one & two) / len(one | two)
        pair = [value("a", first), value("b", other)]
        hashes = [[at[1][k : k + 4] for k in range(0, 512, 4)] for at in pair]
        estimate = sum(a == b for a, b in zip(*hashes, strict=True)) / 128
        assert abs(exact - estimate) < 0.12


def test_chinese_has_a_shingle_a_character() -> None:
    assert shingles([[comparable("今天天气很好")], [], [comparable("a b")]])[1] == [0, 6, 6, 8]
    assert len(shingles([])[0]) == 0


@given(st.text(max_size=80))
def test_any_text_has_a_signature_that_ignores_case_and_spaces(text: str) -> None:
    spaced = signature(f"  {text.lower().casefold()}\n")
    assert len(spaced) == 512
    assert signature(text.casefold()) == spaced or "İ" in text


@given(st.lists(st.lists(st.text(max_size=40), max_size=3), max_size=5))
def test_signatures_of_many_are_those_of_each_alone(conversations: list[list[str]]) -> None:
    texts = [list(map(comparable, conversation)) for conversation in conversations]
    assert signatures(texts) == [signature for one in texts for signature in signatures([one])]


def test_a_repeated_real_dump_is_found_and_the_original_stays(shared_data: Path) -> None:
    records = json.loads((shared_data / "sharegpt" / "sharegpt_508.json").read_text())[:120]
    texts = [" ".join(turn["value"] for turn in record["conversations"]) for record in records]
    texts = list(dict.fromkeys(text for text in texts if len(text) > 2000))
    values = [value(str(at), text.split()) for at, text in enumerate(texts)]
    again = [value(f"{at}+", [*text.split(), "Thanks", "a", "lot!"]) for at, text in enumerate(texts)]
    verdicts = NearDuplicateFilter(0.8).decide(values + again)
    assert not any(verdicts[: len(values)])
    assert all(verdict is not None and verdict.because.endswith(f" {at}") for at, verdict in
               enumerate(verdicts[len(values) :]))  # fmt: skip
