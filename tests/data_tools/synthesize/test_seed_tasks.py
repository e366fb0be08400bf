import json
from collections import Counter
from pathlib import Path

import pytest

from data_tools.synthesize.prompt_files import LANGUAGES, Prompts
from data_tools.synthesize.seed_tasks import load_seeds
from data_tools.synthesize.similarity import SimilarityIndex
from data_tools.synthesize.verbs import FAMILIES
from templates import InputError


def test_our_seeds_are_many_of_every_family_and_unlike_each_other() -> None:
    seeds = {language: load_seeds(None, language=language) for language in LANGUAGES}
    assert sum(map(len, seeds.values())) >= 100
    assert len({seed.id for held in seeds.values() for seed in held}) == sum(map(len, seeds.values()))
    for held in seeds.values():
        families = Counter(seed.family for seed in held)
        assert families.keys() == set(FAMILIES) - {"other"}
        assert min(families.values()) >= 4
        assert any(seed.is_classification for seed in held)
        assert all(seed.output for seed in held)
        index = SimilarityIndex()
        for seed in held:
            assert index.most_similar(seed.instruction) is None, seed.instruction
            index.add(seed.instruction)


@pytest.mark.parametrize(
    ("name", "count", "classification"),
    [
        ("alpaca/seed_tasks_175.jsonl", 175, 26),
        ("alpaca/belle_zh_seed_tasks_175.jsonl", 175, 26),
        ("evol/seed_evol_21.json", 21, 0),
        ("alpaca/alpaca_zh_1000.json", 1000, 0),
    ],
)
def test_other_peoples_seeds_load_as_they_are(shared_data: Path, name: str, count: int, classification: int) -> None:
    seeds = load_seeds(shared_data / name, language="en")
    assert len(seeds) == count
    assert sum(seed.is_classification is True for seed in seeds) == classification
    assert all(seed.instruction and seed.output for seed in seeds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no tasks"),
        ("[", "not JSON"),
        ('{"instruction": "Add."}\n{"instruc', "line 2 is not JSON"),
        ('{"instruction": "Add.", "output": "5"}\n{"output": "5"}', "record 2 is no task"),
        ('[{"instruction": "Add.", "output": 5}]', "record 1 is no task"),
        ("[7]", "record 1 is no task"),
    ],
)
def test_bad_seeds_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_seeds(path, language="en")
    with pytest.raises(InputError, match="cannot be read"):
        load_seeds(tmp_path / "none.jsonl", language="en")


def test_a_placeholder_for_no_input_is_no_input(tmp_path: Path) -> None:
    path = tmp_path / "seeds.json"
    instance = {"input": "<noinput>", "output": "4"}
    path.write_text(json.dumps([{"instruction": "Add 2 and 2.", "instances": [instance]}]), encoding="utf-8")
    [seed] = load_seeds(path, language="en")
    assert (seed.id, seed.question) == ("seed_1", "Add 2 and 2.")


def test_both_languages_have_the_same_prompts_with_the_same_places() -> None:
    english, chinese = Prompts("en"), Prompts("zh")
    assert english.digest != chinese.digest
    for name in ("tasks", "instructions", "equal", "evolve_breadth", "next_user_turn"):
        values = dict.fromkeys(("examples", "count", "format", "first", "second", "instruction", "kind"), "VALUE")
        values |= {"conversation": "VALUE", "manner": "VALUE"}
        assert english.fill(name, **values).count("VALUE") == chinese.fill(name, **values).count("VALUE")


def test_what_is_filled_in_is_never_read_as_a_place() -> None:
    filled = Prompts("en").fill("equal", first="$second ${first} $$ $", second="other")
    assert "$second ${first} $$ $" in filled


def test_other_peoples_prompts_take_the_place_of_ours(tmp_path: Path) -> None:
    (tmp_path / "equal.txt").write_text("# version 2b\nSame? $first / $second", encoding="utf-8")
    prompts = Prompts("en", tmp_path)
    assert prompts.fill("equal", first="a", second="b") == "Same? a / b"
    assert prompts.version("equal") == "en/equal version 2b"
    assert prompts.digest != Prompts("en").digest


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("equel.txt", "# version 1\nx", "there is no prompt of this name"),
        ("equal.txt", "Same? $first", "the first line must name the version"),
        ("equal.txt", "# version 1\n$first $third", r"\$third is no place of this prompt \(known: \$first, \$second\)"),
        ("equal.txt", "# version 1\n5 $ or more", "a `\\$` that names no place"),
    ],
)
def test_bad_prompts_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        Prompts("en", tmp_path)
    with pytest.raises(InputError, match=r"holds no \.txt files"):
        Prompts("en", tmp_path / "none")
