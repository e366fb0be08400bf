"""What the tests of several data commands read: the project's sample, prepared once."""

from pathlib import Path

import pytest

from data_tools.prepare import Options, prepare

SAMPLE = Path(__file__).parents[2] / "examples" / "sharegpt_sample.json"


@pytest.fixture(scope="session")
def sample_prepared(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as `chaku data prepare` leaves it; tests only read it."""
    out = tmp_path_factory.mktemp("sample") / "data"
    prepare(Options(inputs=(SAMPLE,), model=str(small_model), template="vicuna_v1.1", out=out, workers=1, window=1024))
    return out
