from pathlib import Path

import pytest

from serve.key_file import KeyFile
from serve.keys_command import main
from templates import InputError


def test_a_key_is_made_shown_once_listed_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = tmp_path / "deep" / "keys.json"
    where = ["--keys", str(keys)]
    assert main(["add", "alice", "--limit", "streams=4", *where]) == 0
    key = capsys.readouterr().out.splitlines()[-1]
    found = KeyFile(keys).find(key)
    assert found is not None
    assert (found.name, found.limits) == ("alice", {"streams": 4})
    main(["list", *where])
    listed = capsys.readouterr().out
    assert "alice" in listed
    assert "streams=4" in listed
    assert key not in listed
    main(["revoke", "alice", *where])
    assert KeyFile(keys).find(key) is None
    main(["list", *where])
    assert "has no keys" in capsys.readouterr().out


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    where = ["--keys", str(tmp_path / "keys.json")]
    main(["add", "alice", *where])
    with pytest.raises(InputError, match="has a key of this name"):
        main(["add", "alice", *where])
    with pytest.raises(InputError, match="it has: alice"):
        main(["revoke", "bob", *where])
    with pytest.raises(InputError, match="no limit 'n'"):
        main(["add", "bob", "--limit", "n=1", *where])
    for name in ("", "a\nb", "x" * 65):
        with pytest.raises(InputError, match="printable"):
            main(["add", name, *where])
    (tmp_path / "keys.json").write_text('{"keys": [{"name": "x"}]}')
    with pytest.raises(InputError, match="not a file of keys"):
        main(["list", *where])
    with pytest.raises(InputError, match="cannot be read"):
        main(["add", "bob", "--keys", "/dev/null/keys.json"])
