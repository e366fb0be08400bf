import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data_tools.atomic import whole_directory, whole_file
from templates import InputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    with whole_file(tmp_path / "new" / "a.txt") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "new" / "a.txt").exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"


def test_an_exception_keeps_the_old_output(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with whole_directory(out, marker="manifest.json") as temporary:
        (temporary / "manifest.json").write_text("old")
    with pytest.raises(ZeroDivisionError), whole_directory(out, marker="manifest.json") as temporary:
        (temporary / "manifest.json").write_text(str(1 / 0))
    assert (out / "manifest.json").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_a_directory_of_ours_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for text in ("old", "new"):
        with whole_directory(out, marker="manifest.json") as temporary:
            (temporary / "manifest.json").write_text(text)
            (temporary / text).touch()
    assert names(out) == ["manifest.json", "new"]
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("kind", ["foreign directory", "file"])
def test_what_is_not_ours_is_refused(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("precious")
    else:
        out.mkdir()
        (out / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="out: "), whole_directory(out, marker="manifest.json"):
        pass
    assert names(tmp_path) == ["out"]


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.txt: the disk is full"), whole_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert names(tmp_path) == []


def test_a_file_in_the_way_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in_the_way").touch()
    with pytest.raises(InputError, match="choose another place"), whole_file(tmp_path / "in_the_way" / "a.txt"):
        pass


def test_a_killed_run_leaves_the_old_output_and_the_next_cleans_up(tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = (
        "import os, pathlib, sys; from data_tools.atomic import whole_directory\n"
        "with whole_directory(pathlib.Path(sys.argv[1]), marker='manifest.json') as t:\n"
        "    (t / 'manifest.json').write_text('half'); os.kill(os.getpid(), 9)"
    )
    with whole_directory(out, marker="manifest.json") as temporary:
        (temporary / "manifest.json").write_text("old")
    killed = subprocess.run([sys.executable, "-c", program, str(out)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (out / "manifest.json").read_text() == "old"
    assert len(names(tmp_path)) == 2
    with whole_directory(out, marker="manifest.json") as temporary:
        (temporary / "manifest.json").write_text("new")
    assert names(tmp_path) == ["out"]
