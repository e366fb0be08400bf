import io
from pathlib import Path

import pytest

from serve.chat.command import main
from serve.chat.user_file import UserFile, add_user, remove_user, user_names
from templates import InputError

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("users") / "users.json"
    add_user(path, "ann", PASSWORD)
    add_user(path, "ben", "another password")
    return path


def test_only_the_right_password_is_taken_and_none_is_kept(path: Path) -> None:
    users = UserFile(path)
    assert users.check("ann", PASSWORD)
    assert not users.check("ann", "another password")
    assert not users.check("nobody", PASSWORD)
    assert PASSWORD not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_session_is_its_persons_and_cannot_be_made_up(path: Path) -> None:
    users = UserFile(path)
    session = users.open_session("ann")
    assert users.who(session) == "ann"
    name, until, signature = session.split(".")
    for forged in (
        "",
        "x",
        "..",
        f"{b'ben'.hex()}.{until}.{signature}",
        f"{name}.{int(until) + 1}.{signature}",
        f"{name}.1.{signature}",
        f"{name}.{until}.{'0' * 64}",
        f"{b'nobody'.hex()}.{until}.{signature}",
        f"ff.{until}.{signature}",
    ):
        assert users.who(forged) == ""


def test_a_session_ends_with_its_user_and_password(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    add_user(path, "ann", PASSWORD)
    add_user(path, "ben", PASSWORD)
    users = UserFile(path)
    ann, ben = users.open_session("ann"), users.open_session("ben")
    add_user(path, "ann", "a new password")
    remove_user(path, "ben")
    assert (users.who(ann), users.who(ben)) == ("", "")
    path.unlink()
    assert users.who(ann) == ""


def test_the_command_adds_lists_and_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "users.json")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    assert main(["users", "add", "ann", "--users", path]) == 0
    assert UserFile(Path(path)).check("ann", PASSWORD)
    capsys.readouterr()
    assert main(["users", "list", "--users", path]) == 0
    assert capsys.readouterr().out == "ann\n"
    assert main(["users", "remove", "ann", "--users", path]) == 0
    assert user_names(Path(path)) == []


@pytest.mark.parametrize("content", ["", "[]", '{"users": [{}], "secret": ""}', '{"users": [], "secret": ""}'])
def test_a_file_that_lets_nobody_in_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "users.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"users\.json"):
        UserFile(path)


@pytest.mark.parametrize(
    ("name", "password"), [("", PASSWORD), (" ann", PASSWORD), ("a\nb", PASSWORD), ("ann", "short")]
)
def test_names_and_passwords_that_will_not_do(tmp_path: Path, name: str, password: str) -> None:
    with pytest.raises(InputError):
        add_user(tmp_path / "users.json", name, password)
