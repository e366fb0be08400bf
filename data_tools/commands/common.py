"""What several data commands share."""

from templates import InputError


def check_workers(workers: int | None) -> None:
    """Raise InputError where `--workers` is not a number of processes."""
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: give the number of processes, 1 or more")
