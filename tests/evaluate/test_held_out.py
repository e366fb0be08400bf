import json
from pathlib import Path

import pytest

from evaluate.held_out import read_prompts
from templates import InputError


def write(path: Path, *conversations: list[str]) -> Path:
    lines = []
    for contents in conversations:
        roles = ["user", "assistant"] * len(contents)
        messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]
        lines.append(json.dumps({"id": "x", "messages": messages}))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_opening_prompts_come_first(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", ["a", "b", "c", "d"], ["e", "f"])
    prompts = read_prompts(path, limit=3)
    assert [[message.content for message in prompt] for prompt in prompts] == [["a"], ["e"], ["a", "b", "c"]]
    assert read_prompts(path, limit=1) == prompts[:1]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"messages": 3}\n', "line 1"),
        ('{"messages": []}\n{"mess', "line 2"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "no message asks for a reply"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=complaint):
        read_prompts(path, limit=3)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_prompts(tmp_path / "c.jsonl", limit=3)
