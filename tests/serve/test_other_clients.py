"""What docs/openai-clients.md shows, run as it stands there, in an environment of the clients' own."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.road import ROOT, Served

pytestmark = pytest.mark.e2e

PAGE = (ROOT / "docs" / "openai-clients.md").read_text()
IN_PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
[LM_EVAL] = re.findall(r"```\n(lm_eval .*?)```", PAGE, re.DOTALL)
# Nobody is asked but the server: prices of models and data sets are not looked up.
_ALONE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


def run(argv: list[str], **more: str) -> str:
    environment = {**os.environ, **_ALONE, **more}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("package", ["openai", "langchain_openai", "litellm"])
def test_the_pages_python_prints_a_reply(served: Served, clients: Path, package: str) -> None:
    [block] = [block for block in IN_PYTHON if f"import {package}" in block or f"from {package} " in block]
    assert "http://127.0.0.1:8000/v1" in block
    said = run([str(clients / "python"), "-c", block.replace("http://127.0.0.1:8000/v1", served.api)])
    assert len(said.split()) >= 2


def test_lm_eval_scores_two_items(served: Served, clients: Path, tmp_path: Path) -> None:
    items = [{"question": "What is the capital of France?", "answer": "Paris"}, {"question": "2 + 2?", "answer": "4"}]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    task = {
        "task": "two_items",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(tmp_path / "items.jsonl")}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 12, "do_sample": False},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    (tmp_path / "two_items.yaml").write_text(yaml.safe_dump(task))
    argv = LM_EVAL.replace("\\\n", " ").replace("http://127.0.0.1:8000/v1", served.api)
    argv = argv.replace("gsm8k", "two_items").split()
    out = ["--include_path", str(tmp_path), "--output_path", str(tmp_path / "out"), "--log_samples"]
    run([str(clients / argv[0]), *argv[1:], *out], HF_HOME=str(tmp_path / "hub"))
    [samples] = (tmp_path / "out").rglob("samples_two_items_*.jsonl")
    replies = [json.loads(line)["resps"][0][0] for line in samples.read_text().splitlines()]
    assert len(replies) == 2
    assert all(reply.strip() and "\n" not in reply for reply in replies), replies
