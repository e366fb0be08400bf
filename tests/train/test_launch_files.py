"""The launch files: the Slurm script with a stand-in for Slurm, SkyPilot's file by the fields that its schema has."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.train.test_main import arguments, metrics, record

LAUNCH = Path(__file__).parents[2] / "examples" / "launch"
# What a turn of the job meets: a notice before training begins, one after the second step, none.
SRUN = """
import os, pathlib, signal, subprocess, sys, time
turns = pathlib.Path(os.environ["TURNS"])
turn = int(turns.read_text()) if turns.is_file() else 0
turns.write_text(str(turn + 1))
command = sys.argv[sys.argv.index("bash"):]
ranks = [subprocess.Popen(command, env={**os.environ, "SLURM_PROCID": str(n), "SLURM_LOCALID": str(n)}) for n in (0, 1)]
if turn < 2:
    figures = pathlib.Path(os.environ["FIGURES"])
    while turn == 1 and not (figures.is_file() and '"step": 2, "loss"' in figures.read_text()):
        assert not any(rank.poll() for rank in ranks)
        time.sleep(0.01)
    for rank in ranks:
        rank.send_signal(signal.SIGUSR1)
codes = [rank.wait() for rank in ranks]
sys.exit(max(128 - code if code < 0 else code for code in codes))
"""
SCONTROL = """#!/bin/bash
if [ "$1" = show ]; then echo 127.0.0.1; else echo "$@" >> "$REQUEUED"; fi
"""


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """The variables of a job of two tasks on one node, with stand-ins for Slurm's commands on the PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (
        ("srun", f"#!{sys.executable}\n{SRUN}"),
        ("scontrol", SCONTROL),
        ("chaku", f'#!/bin/bash\nexec {sys.executable} -m chaku "$@"\n'),
    ):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NODELIST": "node-[1-2]",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_CPUS_PER_TASK": "1",
        "TURNS": str(tmp_path / "turns"),
        "FIGURES": str(tmp_path / "model.run" / "metrics.jsonl"),
        "REQUEUED": str(tmp_path / "requeued"),
    }


@pytest.mark.e2e
def test_the_slurm_script_saves_on_a_notice_is_queued_again_and_goes_on(
    tmp_path: Path, slurm: dict[str, str], model_directory: Path, data_directory: Path
) -> None:
    out = tmp_path / "model"
    options = [option for option in arguments(model_directory, data_directory, out) if not option.startswith("--out")]
    command = ["/bin/bash", str(LAUNCH / "train.sbatch"), str(out), *options, "--checkpoint.every=0"]
    turns = [
        subprocess.run(command, env=slurm, capture_output=True, text=True, timeout=120, check=False) for _ in range(3)
    ]
    assert [turn.returncode for turn in turns] == [138, 0, 0], [turn.stderr for turn in turns]
    assert Path(slurm["REQUEUED"]).read_text().splitlines() == [f"requeue {slurm['SLURM_JOB_ID']}"] * 2
    assert "stopped by SIGUSR1 after" in turns[1].stderr
    assert "2 rank(s) on cpu" in turns[2].stderr
    assert "going on after step" in turns[2].stderr
    assert record(out)["figures"]["steps"] == len(metrics(out, "loss")) == 10


def test_the_slurm_script_asks_for_what_training_needs() -> None:
    text = (LAUNCH / "train.sbatch").read_text()
    options = dict(
        line.removeprefix("#SBATCH --").partition("=")[::2] for line in text.splitlines() if line.startswith("#SBATCH")
    )
    assert options["ntasks-per-node"] == options["gpus-per-node"]  # one process a GPU
    assert options["signal"] == "USR1@120"  # to the processes; with B: it would reach the script alone
    assert "requeue" in options
    assert options["open-mode"] == "append"
    subprocess.run(["/bin/bash", "-n", LAUNCH / "train.sbatch"], check=True)


def test_skypilots_file_recovers_and_writes_where_a_lost_machine_loses_nothing() -> None:
    task: dict[str, Any] = yaml.safe_load((LAUNCH / "skypilot.yaml").read_text())
    known = {"name", "resources", "envs", "secrets", "workdir", "file_mounts", "setup", "run"}
    assert set(task) == known
    assert task["resources"]["use_spot"] is True
    assert set(task["resources"]) == {"accelerators", "use_spot", "disk_size", "job_recovery"}
    assert task["file_mounts"]["/runs"] == {"source": "${BUCKET}", "mode": "MOUNT_CACHED"}
    for part in ("setup", "run"):
        subprocess.run(["/bin/bash", "-n"], input=task[part], text=True, check=True)
    for mount, option in (("/runs/", "--out"), ("~/data", "--data.path")):
        assert f"{option} {mount}" in task["run"]
    assert set(task["envs"]) | set(task["secrets"]) == {"MODEL", "BUCKET", "RECIPE", "HF_TOKEN"}
