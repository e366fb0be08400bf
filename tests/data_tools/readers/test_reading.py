"""Files, folders and archives of every kind, and what is wrong with them."""

import gzip
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_tools.readers import opening, parse, read_records
from data_tools.records import RawRecord
from templates import InputError

TALK: dict[str, Any] = {"id": "a", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}]}
LINE = json.dumps(TALK) + "\n"
QUESTION = {"instruction": "Hi", "output": "Yo"}


def read(path: Path, format: str | None = None) -> list[RawRecord]:
    return list(read_records(path, format=format, report=lambda _: None))


def rules(path: Path) -> list[tuple[str, str]]:
    """The name of the file and the rule of the first turn of each record."""
    return [(Path(raw.file).name, parse(raw)[0].turns[0].rule) for raw in read(path)]


def write(path: Path, kind: str) -> Path:
    table = pa.Table.from_pylist([TALK])
    if kind == "gz":
        path.write_bytes(gzip.compress(LINE.encode()) * 2)
    elif kind == "zst":
        path.write_bytes(pa.compress(LINE.encode(), codec="zstd", asbytes=True) * 2)
    elif kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner/conversations.json", f"[{LINE},{LINE}]")
            archive.writestr("inner/chat.html", "<html>the same again")
            archive.writestr("user.json", "{}")
    elif kind == "parquet":
        pq.write_table(pa.concat_tables([table, table]), path)
    else:
        made = pa.ipc.new_stream if kind == "arrow stream" else pa.ipc.new_file
        with pa.OSFile(str(path), "wb") as sink, made(sink, table.schema) as writer:
            writer.write_table(pa.concat_tables([table, table]))
    return path


KINDS = ["gz", "zst", "zip", "parquet", "arrow stream", "arrow file"]


@pytest.mark.parametrize("kind", KINDS)
def test_packed_files_and_tables_are_known_by_their_content(kind: str, tmp_path: Path) -> None:
    path, told = write(tmp_path / "dump", kind), list[int]()
    found = list(read_records(path, report=told.append))
    assert [(raw.value, raw.format, raw.index) for raw in found] == [(TALK, "sharegpt", 0), (TALK, "sharegpt", 1)]
    assert sum(told) > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("left", [0.4, 0.8])
def test_a_cut_one_is_refused(kind: str, left: float, tmp_path: Path) -> None:
    whole = write(tmp_path / "whole", kind).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: int(len(whole) * left)])
    with pytest.raises(InputError, match=r"cut: .*(broken|cannot be unpacked|truncated|empty)") as error:
        read(tmp_path / "cut")
    assert "\n" not in str(error.value)


def test_a_table_in_an_archive_says_what_to_do(tmp_path: Path) -> None:
    table = write(tmp_path / "rows.parquet", "parquet").read_bytes()
    (tmp_path / "dump.gz").write_bytes(gzip.compress(table))
    with pytest.raises(InputError, match="unpack it first"):
        read(tmp_path / "dump.gz")


def test_old_datasets_keep_turns_as_columns(tmp_path: Path) -> None:
    row = {"id": "a", "conversations": {"from": ["human", "gpt"], "value": ["Hi", "Yo"]}, "system": None}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "rows")
    assert [raw.value for raw in read(tmp_path / "rows")] == [TALK]


@pytest.mark.parametrize("kind", ["gz", "zip"])
def test_a_bomb_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_HARMLESS", 1 << 20)
    text, path = b"[" + b" " * 5_000_000, tmp_path / "bomb"
    if kind == "gz":
        path.write_bytes(gzip.compress(text))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.json", text)
    with pytest.raises(InputError, match="unpacks to over 200 times its size"):
        read(path)


def test_an_encrypted_zip_says_so(tmp_path: Path) -> None:
    raw = bytearray(write(tmp_path / "plain.zip", "zip").read_bytes())
    for mark, flag in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := raw.find(mark, at + 1)) >= 0:
            raw[at + flag] |= 1
    (tmp_path / "locked.zip").write_bytes(raw)
    with pytest.raises(InputError, match="is encrypted"):
        read(tmp_path / "locked.zip")


def folder(tmp_path: Path) -> Path:
    made = tmp_path / "dumps"
    (made / "deep").mkdir(parents=True)
    (made / "b.jsonl").write_text(LINE + "{oops\n" + json.dumps(QUESTION))
    (made / "deep" / "c.json.gz").write_bytes(gzip.compress(LINE.encode()))
    (made / "README.md").write_text("# Dumps")
    (made / "questions.json").write_text('[{"question": "2 + 2?"}]')
    (made / "empty.json").write_text("")
    (made / ".hidden").write_text("{")
    return made


def test_a_folder_of_many_kinds_and_each_file_named(tmp_path: Path) -> None:
    assert rules(folder(tmp_path)) == [
        ("README.md", "not_a_dump"), ("b.jsonl", ""), ("b.jsonl", "not_json"), ("b.jsonl", ""), ("c.json.gz", ""),
        ("empty.json", "not_a_dump"), ("questions.json", "no_conversations"),
    ]  # fmt: skip


def test_a_dump_of_a_folder_that_breaks_off_stays_an_error(tmp_path: Path) -> None:
    made = folder(tmp_path)
    (made / "z.json").write_text(f"[{LINE}, {LINE}")
    with pytest.raises(InputError, match=r"z\.json: ends in the middle of a record \(truncated after 2 whole"):
        read(made)


def test_a_link_out_of_the_folder_is_refused_and_one_within_read_once(tmp_path: Path) -> None:
    made = folder(tmp_path)
    before = rules(made)
    (made / "again.json").symlink_to(made / "b.jsonl")
    assert rules(made) == before
    (made / "out").symlink_to(tmp_path)
    with pytest.raises(InputError, match="out: is a link out of the folder"):
        read(made)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "an empty list"),
        (
            '[{"question": "x", "answer": "y"}]',
            r"no conversations in its 1 records \(keys seen: 'question', 'answer'\)",
        ),
        ("[1, 2]", "its values are not objects"),
        ("<html><p>Hello", "a page, but none with a ChatGPT conversation"),
    ],
)
def test_a_file_without_conversations_is_one_clear_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "dump.json").write_text(text)
    with pytest.raises(InputError, match=rf"dump\.json: .*{message}"):
        read(tmp_path / "dump.json")


def test_what_is_not_there_or_may_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read(tmp_path / "absent.json")
    with pytest.raises(InputError, match="holds no files"):
        read(tmp_path)
    with pytest.raises(InputError, match="there is no such format; choose one of sharegpt"):
        read(tmp_path, format="csv")


def test_a_format_can_be_forced(tmp_path: Path) -> None:
    both = {**TALK, "messages": [{"role": "user", "content": "other"}]}
    (tmp_path / "dump.json").write_text(json.dumps([both]))
    [raw] = read(tmp_path / "dump.json", format="messages")
    assert [turn.text for turn in parse(raw)[0].turns] == ["other"]


CHINESE = {
    "conversations": [{"from": "human", "value": "你好，我们的世界是什么？" * 4}, {"from": "gpt", "value": "在这里。"}]
}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_are_seen(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_text(json.dumps([CHINESE] * 3, ensure_ascii=False), encoding=encoding)
    assert [raw.value for raw in read(path)] == [CHINESE] * 3


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("größer, Straße, für, möglich", "latin-1"), ("안녕하세요 반갑습니다 오늘은 날씨가 좋네요", "euc-kr"),
     ("今日はとても天気がいいですね。散歩に行きましょう", "shift-jis"), ("今天天氣很好，我們去散步吧。", "big5")],
)  # fmt: skip
def test_other_encodings_are_refused(text: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_text(json.dumps([{"messages": [{"role": "user", "content": text * 5}]}], ensure_ascii=False), encoding)
    with pytest.raises(InputError, match="in none of UTF-8, UTF-16 and GB18030"):
        read(path)


def test_a_damaged_byte_rejects_its_record_alone(tmp_path: Path) -> None:
    path = tmp_path / "dump.jsonl"
    path.write_bytes((LINE * 300).encode() + LINE.encode().replace(b"Yo", b"\xff\xfe") + LINE.encode())
    assert [rule for _, rule in rules(path)] == [""] * 300 + ["not_utf8", ""]


def test_memory_does_not_grow_with_the_dump(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "dump.jsonl"
    path.write_text(LINE.replace("Hi", "Hi" * 5000) * 2000)
    tracemalloc.start()
    count = sum(1 for _ in read_records(path, report=lambda _: None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2000
    assert peak < 8_000_000 < path.stat().st_size


STATE: dict[str, Any] = {"conv_id": "c", "roles": ["U", "A"], "offset": 0, "messages": []}


def chat(*texts: str, kind: str = "chat") -> dict[str, Any]:
    messages = [["UA"[number % 2], text] for number, text in enumerate(texts)]
    return {"type": kind, "state": STATE | {"messages": messages}}


def test_a_log_teaches_each_reply_once_and_hears_votes(tmp_path: Path) -> None:
    lines = [
        chat("Hi", "Yo"), chat("Hi", "Yo", "Why?", "bad"), chat("Hi", "Yo", "Why?", "bad", kind="downvote"),
        chat("Hi", "Yo", "Why?", "good"), chat("Hi", "Yo", "Why?", "good", kind="upvote"),
    ]  # fmt: skip
    path = tmp_path / "2024-01-01-conv.json"
    path.write_text("\n".join(map(json.dumps, lines)))
    turns = [[(turn.rule, turn.train) for turn in parse(raw)[0].turns] for raw in read(path)]
    assert turns == [
        [("continued_later", None)] * 2,
        [("", None), ("", None), ("", None), ("voted_down", False)],
        [("vote", None)] * 4,
        [("", None), ("", False), ("", None), ("", None)],
        [("vote", None)] * 4,
    ]


def test_of_a_battle_the_loser_is_named(tmp_path: Path) -> None:
    states = [STATE | {"model_name": name, "messages": [["U", "Hi"], ["A", name]]} for name in ("one", "two")]
    lines: list[Any] = [{"type": "chat", "state": state} for state in states]
    (tmp_path / "log.json").write_text("\n".join(map(json.dumps, [*lines, {"type": "leftvote", "states": states}])))
    kept = [parse(raw)[0].turns[1].rule for raw in read(tmp_path / "log.json")]
    assert kept == ["", "voted_down", "vote"]


PAGES = {
    "2022": '<div class="w-full border-b group"><div class="whitespace-pre-wrap">a &lt;b&gt;\nc</div></div>'
    '<div class="w-full border-b group"><div class="whitespace-pre-wrap">'
    '<div class="markdown prose"><p>Yes</p></div></div></div>',
    "2023": '<div class="group w-full"><div class="whitespace-pre-wrap"><div class="flex flex-wrap">'
    '<span class="truncate">x.csv</span></div><div>Look</div></div></div><div class="group w-full">'
    '<div class="whitespace-pre-wrap flex flex-col items-start"><div class="markdown"><p>I load it.</p></div></div>'
    '<div class="flex flex-col items-start"><div class="markdown">load()</div></div></div>',
    "2025": '<article><div data-message-author-role="user"><div class="whitespace-pre-wrap">a &lt;b&gt;\nc</div></div>'
    '</article><article><div data-message-author-role="assistant"><div class="markdown prose"><p>Yes</p></div></div>',
}
TURNS = [("user", "a <b>\nc"), ("assistant", '<div class="markdown prose"><p>Yes</p></div>')]


@pytest.mark.parametrize(
    ("year", "turns"),
    [("2022", TURNS), ("2025", TURNS),
     ("2023", [("user", "x.csv\n\nLook"), ("assistant", '<div class="markdown"><p>I load it.</p></div>'),
               ("tool", "load()")])],
)  # fmt: skip
def test_a_saved_page_gives_the_users_text_and_the_replys_html(
    year: str, turns: list[tuple[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(f"<!doctype html><html><body>{PAGES[year]}</body></html>", encoding="utf-8")
    [raw] = read(tmp_path / "page.html")
    [record] = parse(raw)
    assert record.id == "page#0"
    assert [(turn.role, turn.text) for turn in record.turns] == turns


@pytest.mark.parametrize(("name", "turns"), [("2022-12", 2), ("2023-08", 14), ("2024-05", 2), ("2025-05", 14)])
def test_the_real_pages(name: str, turns: int, shared_data: Path) -> None:
    [path] = (shared_data / "sharegpt_html").glob(f"saved_page_{name}*.html")
    [record] = parse(read(path)[0])
    assert len(record.turns) == turns
    assert [turn.role for turn in record.turns][:2] == ["user", "assistant"]
    assert all(not turn.text.startswith("<") for turn in record.turns if turn.role == "user")


@pytest.mark.timeout(20)  # a hang, not a speed
@pytest.mark.parametrize("piece", ["<div>", '<div data-message-author-role="user">', '<b class="group w-full">'])
def test_a_page_that_would_stall_a_parser_is_named(piece: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<html><div data-message-author-role="user">' + piece * 100_000)
    assert rules(tmp_path / "page.html") == [("page.html", "nested_too_deeply")]


@pytest.mark.timeout(20)  # a hang, not a speed
def test_many_broken_lines_are_each_named(tmp_path: Path) -> None:
    (tmp_path / "dump.jsonl").write_text(LINE + '{"a": oops\n' * 20_000)
    assert len(read(tmp_path / "dump.jsonl")) == 20_001


def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json"))
    path.write_text(LINE)
    [raw] = read(path)
    assert raw.file.encode().decode().endswith("?.json")


@pytest.mark.parametrize("seed", range(3))
def test_bytes_flipped_anywhere_never_crash(seed: int, tmp_path: Path) -> None:
    import random

    chance = random.Random(seed)
    for kind in KINDS:
        whole = write(tmp_path / "whole", kind).read_bytes()
        for _ in range(15):
            hurt = bytearray(whole)
            for _ in range(chance.randint(1, 4)):
                hurt[chance.randrange(len(hurt))] = chance.randrange(256)
            (tmp_path / "hurt").write_bytes(io.BytesIO(hurt).getvalue())
            try:
                for raw in read(tmp_path / "hurt"):
                    assert all(record.turns for record in parse(raw))
            except InputError as error:
                assert "\n" not in str(error)
