from pathlib import Path

import pytest

from serve.causes import cause_of_death

TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n'


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (
            "(APIServer pid=7) INFO 11-23 06:44:00 [launcher.py:1] ok\n"
            + TRACEBACK
            + "OSError: [Errno 98] Address already in use\nINFO 11-23 06:44:01 [x.py:2] bye\n",
            "its port is in use by another program; stop that, or give another: OSError: [Errno 98] Address",
        ),
        (
            "(EngineCore pid=9) ERROR 11-23 06:44:00 [core.py:3] torch.OutOfMemoryError: tried to allocate 2 GiB\n"
            "RuntimeError: Engine core initialization failed. See root cause above.\n",
            "`-- --max-model-len 2048`): torch.OutOfMemoryError: tried to allocate 2 GiB",
        ),
        (
            "(APIServer pid=7) INFO 11-23 06:44:00 [x.py:1] non-default args: {'max_model_len': 512}\n"
            "(APIServer pid=7) ERROR 11-23 06:44:09 [x.py:1] vllm.v1.engine.exceptions.EngineDeadError: see above\n",
            "its engine crashed, or was killed, as the system does when memory runs out (stop other programs",
        ),
        (
            "(Worker pid=9) ERROR 11-23 06:44:00 [x.py:3] ValueError: Available memory on node 0 (9.1/23.4 GiB) on kv "
            "cache allocation is less than requested memory for kv (900.0 GiB).\n"
            "RuntimeError: Engine core initialization failed. See root cause above.\n",
            "out of memory (stop other programs, or ask for less: VLLM_CPU_KVCACHE_SPACE=1",
        ),
        (
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for VllmConfig\n"
            "  Value error, no such thing [type=value_error]\n",
            "vLLM refuses its arguments: Value error, no such thing",
        ),
        (TRACEBACK + "ValueError: first\n" + TRACEBACK + "RuntimeError: second\n", "RuntimeError: second"),
        ("api_server.py: error: unrecognized arguments: --nonsense\n", "unrecognized arguments: --nonsense"),
    ],
)
def test_the_cause_is_one_line_of_the_log(tmp_path: Path, log: str, cause: str) -> None:
    path = tmp_path / "engine.log"
    path.write_text(log, encoding="utf-8")
    assert cause in cause_of_death(path, 1)


def test_a_silent_death_names_its_signal_or_exit_code(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.write_text("INFO: all is well\n", encoding="utf-8")
    assert cause_of_death(path, -9).startswith(
        "killed by signal 9, as the system does when memory runs out (stop other"
    )
    assert cause_of_death(path, -15) == "killed by signal 15"
    assert cause_of_death(path, 3) == "it ended with exit code 3"
