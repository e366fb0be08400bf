"""A run that is killed, or whose disk is full, leaves the old output or none."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from data_tools.atomic import whole_directory

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "examples" / "sharegpt_sample.json"
# The sample prepared with a limit on the size of files; or held up where its first records are there.
PROGRAM = """
import resource, sys, time
from pathlib import Path
from data_tools import prepare as module
from templates import InputError
out, model, how = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
workers = 2 if how == "slow" else 1
options = module.Options(inputs=(Path(sys.argv[4]),), model=model, template="vicuna_v1.1", out=out, workers=workers)
if how == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
else:
    decide = module.decide
    def slow(made, options):
        print("decided", flush=True)
        time.sleep(60)
    module.decide = slow
try:
    module.prepare(options)
except InputError as error:
    print(f"chaku: error: {error}", file=sys.stderr)
    sys.exit(2)
"""


@pytest.fixture
def old_output(tmp_path: Path) -> Iterator[Path]:
    out = tmp_path / "data"
    out.mkdir()
    (out / "manifest.json").write_text("old")
    yield out
    assert (out / "manifest.json").read_text() == "old"


def command(out: Path, model: Path, how: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(out), str(model), how, str(SAMPLE)]


def test_a_full_disk_is_one_line_and_keeps_the_old_output(old_output: Path, small_model: Path) -> None:
    done = subprocess.run(
        command(old_output, small_model, "full"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last == f"chaku: error: {old_output}: the disk is full; free some space or choose another place"
    assert [path.name for path in old_output.parent.iterdir()] == ["data"]


def test_a_killed_run_leaves_no_process_and_the_next_clears_its_files(old_output: Path, small_model: Path) -> None:
    run = subprocess.Popen(command(old_output, small_model, "slow"), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "decided\n"
    workers = psutil.Process(run.pid).children(recursive=True)
    assert len(workers) >= 3
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    assert len(list(old_output.parent.iterdir())) == 2
    with pytest.raises(ZeroDivisionError), whole_directory(old_output, marker="manifest.json"):
        raise ZeroDivisionError
    assert [path.name for path in old_output.parent.iterdir()] == ["data"]
