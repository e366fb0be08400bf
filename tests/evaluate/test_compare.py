import json
from pathlib import Path

import pytest

from evaluate import cli
from evaluate.compare import compare
from evaluate.run import Options
from templates import InputError


def replies(path: Path, *texts: str, stopped: bool) -> Path:
    rows = [
        {"prompt": f"Question {number}: how are you today?", "text": text, "stopped": stopped, "tokens": 5}
        for number, text in enumerate(texts)
    ]
    path.write_text(json.dumps({"replies": rows}), encoding="utf-8")
    return path


def test_replies_are_compared_without_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = replies(tmp_path / "before.json", "Well well well well well. " * 4, "ok", stopped=False)
    after = replies(tmp_path / "after.json", "I am well, thank you.", "Fine.", stopped=True)
    out = tmp_path / "out"
    code = cli.main(["compare", "http://a/v1", "http://b/v1", "--replies", str(before), str(after), "--out", str(out)])
    assert code == 0
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    later, earlier = report["checks"]["answers"]
    assert (later["stopped"]["mean"], earlier["stopped"]["mean"]) == (1.0, 0.0)
    assert (later["looping"]["mean"], earlier["looping"]["mean"]) == (0.0, 0.5)
    assert "without a judge" in report["summary"]
    assert "ends by itself" in capsys.readouterr().out


def test_replies_to_other_prompts_are_refused(tmp_path: Path) -> None:
    before = replies(tmp_path / "before.json", "a", stopped=True)
    after = replies(tmp_path / "after.json", "a", "b", stopped=True)
    options = Options(model="after", against="before", out=tmp_path)
    with pytest.raises(InputError, match="its prompts are not those of"):
        compare(options, replies=[before, after])
    with pytest.raises(InputError, match="stop-rate --out"):
        compare(options, replies=[tmp_path / "none.json", after])


def test_a_model_directory_is_given_the_report(tmp_path: Path, small_model: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for file in small_model.iterdir():
        (model / file.name).symlink_to(file)
    files = [replies(tmp_path / f"{name}.json", "Fine.", stopped=True) for name in ("before", "after")]
    options = Options(model=str(model), against=str(small_model), out=tmp_path / "out")
    results = compare(options, replies=files)
    assert json.loads((model / "evaluation.json").read_text(encoding="utf-8"))["summary"] == results["summary"]
    assert (model / "evaluation.html").read_text(encoding="utf-8") == (tmp_path / "out" / "report.html").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["m", "--judge-url", "http://x/v1"], "--judge-model: is missing"),
        (["m", "--second-judge-url", "http://x/v1", "--second-judge-model", "j"], "needs a first judge"),
        (["m", "--n", "0"], "--n 0"),
        (["m", "--votes", "sqlite://"], "--votes: says how far a judge"),
    ],
)
def test_options_that_do_not_fit_are_named(arguments: list[str], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        cli.main(arguments)
