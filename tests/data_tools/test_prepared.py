import shutil
from pathlib import Path

import pytest

from data_tools.prepared import open_prepared
from templates import InputError


def test_what_is_not_prepared_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no manifest\.json; give a directory that `chaku data prepare` wrote"):
        open_prepared(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"counts": {}}', "\udcff"])
def test_a_damaged_manifest_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"manifest\.json: missing or damaged; run `chaku data prepare` again"):
        open_prepared(tmp_path)


def test_damaged_parts_are_named(sample_prepared: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(sample_prepared, tmp_path / "data")
    for name in ("ledger.parquet", "train/windows-00000.parquet", "conversations/train.jsonl"):
        (copy / name).write_bytes(b"PAR1 and no more")
    prepared = open_prepared(copy)
    with pytest.raises(InputError, match=r"ledger\.parquet: missing or damaged"):
        prepared.ledger()
    with pytest.raises(InputError, match=r"windows-00000\.parquet: missing or damaged"):
        list(prepared.windows("train"))
    with pytest.raises(InputError, match=r"train\.jsonl: missing or damaged"):
        list(prepared.conversations("train"))
