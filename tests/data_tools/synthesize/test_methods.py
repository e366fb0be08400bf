"""What each method asks, and what it does with what comes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_tools.synthesize.evol_instruct import OPERATIONS
from data_tools.synthesize.job import Options, Summary, synthesize
from data_tools.synthesize.lineage import lineage, trees
from data_tools.synthesize.multi_turn import said
from data_tools.synthesize.records import Kept, Result
from data_tools.synthesize.seed_tasks import load_seeds
from tests.data_tools.synthesize.scripted import Body, Scripted, good_model, question, scripted


def run(out: Path, method: str, model: Callable[[Body, int], Any], **values: Any) -> tuple[Summary, Scripted]:
    options: dict[str, Any] = {"target": 12, "concurrency": 4, **values}
    with scripted(Scripted(model)) as server:
        return synthesize(Options(method=method, out=out, base_url=server.base_url, **options)), server


def asked(server: Scripted, start: str) -> list[Body]:
    return [body for body in server.bodies if question(body).startswith(start)]


def test_self_instruct_mixes_peoples_and_the_models_instructions(tmp_path: Path) -> None:
    _, server = run(tmp_path, "self-instruct", good_model, target=40, concurrency=1)
    bodies = asked(server, "Here are tasks")
    examples = [[line for line in question(body).splitlines() if line[:1].isdigit()] for body in bodies]
    assert {len(shown) for shown in examples} == {8}
    seeds = {seed.instruction.rstrip(":") for seed in load_seeds(None, language="en")}
    own = [sum(line.split(". ", 1)[1] not in seeds for line in shown) for shown in examples]
    assert own[0] == 0
    assert own[-1] == 2
    sampling = {key: bodies[0][key] for key in ("temperature", "top_p", "presence_penalty", "max_tokens")}
    assert sampling == {"temperature": 0.7, "top_p": 0.5, "presence_penalty": 2.0, "max_tokens": 1024}


def test_classification_tasks_get_their_outputs_first(tmp_path: Path) -> None:
    summary, server = run(tmp_path, "self-instruct", good_model)
    for kept in summary.outcome.kept:
        prompt = kept.origin.steps[-1].prompt
        assert ("output_first" in prompt) == kept.origin.details["is_classification"]
    assert {body["max_tokens"] for body in asked(server, "Task:")} == {300, 350}
    assert {body["temperature"] for body in asked(server, "A classification task")} == {0.0}


def test_what_is_like_the_pool_is_rejected_with_what_it_resembles(tmp_path: Path) -> None:
    def model(body: Body, number: int) -> str:
        if question(body).startswith("You write tasks") and number % 2:
            same = {"instruction": "Write a haiku about the first snow on a mountain.", "input": "", "output": "x"}
            return json.dumps({"tasks": [same]})
        return good_model(body, number)

    summary, _ = run(tmp_path, "alpaca", model)
    [reject, *_] = [one for one in summary.outcome.rejected if one.rule == "too_similar"]
    assert reject.detail == "ROUGE-L 0.90 with text 0 of the pool"
    assert summary.outcome.reasons.keys() == {"too_similar"}


def test_alpaca_asks_for_seventeen_more_after_three_examples(tmp_path: Path) -> None:
    summary, server = run(tmp_path, "alpaca", good_model)
    [body, *_] = asked(server, "You write tasks")
    assert question(body).count("\n###\n") == 3
    assert "Write 17 different tasks" in question(body)
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (1.0, 1.0, 3072)
    assert all(len(kept.origin.seeds) == 3 for kept in summary.outcome.kept)


def evolving(rule: str) -> Callable[[Body, int], Any]:
    """A model that fails in one way, in about a third of the evolutions."""

    def model(body: Body, number: int) -> Any:
        text = question(body)
        fails = sum(map(ord, text)) % 3 == 0
        if text.startswith(("Rewrite the instruction", "Read the instruction")) and fails:
            if rule == "prompt_copied":
                return "Rewritten prompt for you: a given prompt, but harder for an assistant."
            if rule == "cut_off":
                return "Name two birds that", "length"
        if text.startswith("Do these two") and rule == "equal_to_parent" and fails:
            return "Equal."
        if text.split()[0].isalpha() and " w" in text and not text.startswith(("Re", "Do")) and fails:
            return {"evasive_reply": "I am sorry.", "empty_reply": "... and so."}.get(rule, good_model(body, number))
        return good_model(body, number)

    return model


@pytest.mark.parametrize("rule", ["prompt_copied", "equal_to_parent", "evasive_reply", "empty_reply", "cut_off"])
def test_what_is_eliminated_goes_back_unchanged(tmp_path: Path, rule: str) -> None:
    path = tmp_path / "seeds.json"
    path.write_text(json.dumps([{"instruction": f"Name {n} birds.", "output": "A wren."} for n in range(24)]))
    summary, server = run(tmp_path / "run", "evol-instruct", evolving(rule), target=1000, seeds=path)
    assert summary.ended == "every seed has gone through every round"
    assert summary.outcome.reasons[rule] > 3
    results: list[Result] = [*summary.outcome.kept, *summary.outcome.rejected]
    by_task = {result.origin.task: result for result in results}
    assert len(by_task) == 4 * 24
    for task, result in by_task.items():
        chain, round_ = task.rsplit("-", 1)
        before = [by_task[f"{chain}-{n}"] for n in range(1, int(round_))]
        kept = [one.origin.task for one in before if isinstance(one, Kept)]
        assert result.origin.details["parent"] == (kept[-1] if kept else result.origin.seeds[0])
    assert {result.origin.details["operation"] for result in by_task.values()} == set(OPERATIONS)
    assert len(asked(server, "Do these two")) <= len(by_task)


def test_the_lineage_is_a_tree_with_every_evolution(tmp_path: Path) -> None:
    summary, _ = run(tmp_path, "evol-instruct", evolving("equal_to_parent"), target=30)
    nodes = [json.loads(line) for line in (tmp_path / "lineage.jsonl").read_text(encoding="utf-8").splitlines()]
    assert nodes == lineage(summary.outcome)

    def size(node: dict[str, Any]) -> int:
        return sum(1 + size(child) for child in node["children"])

    outcome = summary.outcome
    assert sum(size(root) for root in trees(nodes)) == len(nodes) == len(outcome.kept) + len(outcome.rejected)


def test_a_conversation_alternates_and_its_user_is_simulated(tmp_path: Path) -> None:
    summary, server = run(tmp_path, "multi-turn", good_model, turns=3)
    for kept in summary.outcome.kept:
        assert [message["role"] for message in kept.messages] == ["user", "assistant"] * 3
        assert kept.origin.details["ended"] == "turns"
    assert "You are the user, who" in question(asked(server, "Below is a conversation")[0])
    assert "\n\nAssistant: " in question(asked(server, "Below is a conversation")[0])


@pytest.mark.parametrize(
    ("turn", "rule"),
    [("[END]", "user_ended"), ("I'm sorry, as an AI I have no questions.", "refusal"), ("", "no_instruction")],
)
def test_a_user_with_nothing_to_say_ends_the_conversation(
    tmp_path: Path, turn: str, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_tools.synthesize.run.PATIENCE", 20)

    def model(body: Body, number: int) -> str:
        text = question(body)
        return turn if text.startswith("Below is a conversation") else good_model(body, number)

    summary, _ = run(tmp_path, "multi-turn", model)
    assert summary.outcome.reasons == {rule: 20}


def test_a_user_who_ends_later_leaves_a_whole_conversation(tmp_path: Path) -> None:
    def model(body: Body, number: int) -> str:
        late = question(body).count("\n\nAssistant: ") == 2
        return "User: [END]" if late else good_model(body, number)

    summary, _ = run(tmp_path, "multi-turn", model, turns=5)
    assert {len(kept.messages) for kept in summary.outcome.kept} == {4}
    assert {kept.origin.details["ended"] for kept in summary.outcome.kept} == {"user_ended"}


@pytest.mark.parametrize(
    "text", ["And in winter?", "User: And in winter?", '"And in winter?"', "用户：And in winter?\n\n助手：雪。"]
)
def test_the_simulated_user_speaks_for_itself_alone(text: str) -> None:
    assert said(text) == "And in winter?"


def test_chinese_prompts_and_seeds(tmp_path: Path) -> None:
    def model(body: Body, number: int) -> str:
        if "你负责编写任务" in question(body):
            made = [
                {"instruction": f"请描述{c}的来历和用途", "input": "", "output": "很久以前。"} for c in f"甲乙{number}"
            ]
            return json.dumps({"tasks": made}, ensure_ascii=False)
        return good_model(body, number)

    summary, _ = run(tmp_path, "alpaca", model, language="zh", target=1)
    [kept] = summary.outcome.kept
    assert kept.instruction == "请描述甲的来历和用途"
    assert kept.origin.steps[0].prompt == "zh/tasks version 1"
