"""Two runs on one OUT: the second is told who holds it, and a killed run's lock is free at once."""

import errno
import fcntl
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from templates.errors import InputError
from tests.train.processes import start, start_ranks
from tests.train.test_main import arguments, metrics, record
from train.cli import main
from train.lock import FILE_NAME, only_run
from train.parallel import process_group


def test_a_second_run_is_told_who_holds_the_place_until_the_first_is_killed(
    tmp_path: Path, model_directory: Path, data_directory: Path
) -> None:
    out, lock = tmp_path / "model", tmp_path / "model.run" / FILE_NAME
    argv = arguments(model_directory, data_directory, out)
    first = start(argv)
    while not (lock.is_file() and lock.read_text()):
        assert first.is_alive()
        time.sleep(0.002)
    assert first.pid
    os.kill(first.pid, signal.SIGSTOP)  # alive, and as slow as a large model
    holder = rf"process {first.pid} on {socket.gethostname()} since .* UTC"
    with pytest.raises(InputError, match=rf"model\.run: another run is writing there \({holder}\); .*another --out"):
        main(argv)
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    assert main(argv) == 0
    assert record(out)["figures"]["steps"] == len(metrics(out, "loss"))


def test_all_ranks_of_a_second_run_end(tmp_path: Path, model_directory: Path, data_directory: Path) -> None:
    run_directory = tmp_path / "model.run"
    run_directory.mkdir()
    with (run_directory / FILE_NAME).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ranks = start_ranks(arguments(model_directory, data_directory, tmp_path / "model"), 2)
        for rank in ranks:
            rank.join(60)
    assert [rank.exitcode for rank in ranks] == [1, 1]
    assert [path.name for path in run_directory.iterdir()] == [FILE_NAME]


def test_a_file_system_without_locks_is_said_and_does_not_stop_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with process_group() as ranks, only_run(tmp_path / "model.run", ranks):
        assert f"process {os.getpid()} on" in (tmp_path / "model.run" / FILE_NAME).read_text()
    assert "has no locks" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.run").write_text("a file")
    with (
        process_group() as ranks,
        pytest.raises(InputError, match=r"model\.run/lock: cannot be written \(File exists\); choose another --out"),
        only_run(tmp_path / "model.run", ranks),
    ):
        raise AssertionError("the block must not begin")
