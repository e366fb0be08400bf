"""Replies of real pages: their code, lists and tables as the page's source has them.

Whole conversations are held by the SHA-256 of what was read against the source page, word by word and fence by fence:
other people's words are not copied into the project.
"""

import hashlib
import json
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser

from data_tools.clean import clean
from data_tools.rules.html_markdown import to_markdown


def replies(shared_data: Path, page: str) -> list[str]:
    tree = LexborHTMLParser((shared_data / "sharegpt_html" / page).read_text())
    return [to_markdown(node.html or "") for node in tree.css("div.markdown")]


def test_code_in_a_page_of_2024(shared_data: Path) -> None:
    (reply,) = replies(shared_data, "saved_page_2024-05-17_chat-gpt-http-server-with-npx.html")[:1]
    blocks = [part for part in reply.split("\n\n") if part.startswith("```")]
    commands = ("npx http-server", "npx http-server path/to/directory", "npx http-server -p 3000")
    assert blocks == [f"```bash\n{command}\n```" for command in commands]
    assert reply.count("`http-server`") == 1
    assert reply.endswith("This will start the server on port 3000 instead of the default port 8080.")


def test_code_in_a_page_of_2025(shared_data: Path) -> None:
    first, second, *_ = replies(shared_data, "saved_page_2025-05-28_chat-gpt-next-js-15-api-route.html")
    route = (
        "export async function GET() {\n  return new Response(JSON.stringify({ message: 'Hello world' }), {\n"
        "    status: 200,\n    headers: { 'Content-Type': 'application/json' }\n  })\n}"
    )
    assert f"```bash\napp/api/hello/route.ts\n```\n\n```ts\n{route}\n```\n\nYou can now" in first
    assert first.startswith("In **Next.js 15**, API routes are created using the **App Router** with a file named ")
    assert second.startswith(
        "```ts\nimport { create } from 'zustand'\n\nconst useStore = create((set, get) => ({\n  data"
    )
    assert second.endswith("    set({ data: json })\n  }\n}))\n```")


def test_lists_in_a_page_of_2023(shared_data: Path) -> None:
    replies_of_page = replies(shared_data, "saved_page_2023-08-18_chat-gpt-currency-analysis-symbols-distribution.html")
    first, code, lists, *_ = replies_of_page
    assert first.startswith("Alright, I'll start by loading the data")
    assert code.splitlines()[:4] == ["```python", "import pandas as pd", "", "# Load the CSV file into a DataFrame"]
    lines = [line for line in lists.splitlines() if line[:1].isdigit()]
    assert lines[:2] == [
        "1. **Code**: The international code for the currency.",
        "2. **Symbol**: The symbol used to represent the currency.",
    ]
    assert [line[:3] for line in lines] == ["1. ", "2. ", "3. "] * 2


@pytest.mark.parametrize(
    ("page", "languages"),
    [
        ("2023-02_BlockVote_README.md", ["bash", "", "python", "sql"]),
        ("2024-01_cleanskys_README.md", ["bash", "bash", "bash", "bash"]),
    ],
)
def test_pasted_code_blocks(page: str, languages: list[str], shared_data: Path) -> None:
    tree = LexborHTMLParser((shared_data / "sharegpt_html" / page).read_text())
    found = [to_markdown(f"<div>{node.html}</div>") for node in tree.css("pre")]
    assert [block.split("\n")[0] for block in found] == [f"```{language}" for language in languages]
    assert all("Copy" not in block and block.endswith("\n```") for block in found)


def test_the_table_of_a_raw_record(shared_data: Path) -> None:
    records = json.loads((shared_data / "sharegpt_html" / "sharegpt90k_raw_4.json").read_text())
    markdown = to_markdown(records[0]["conversations"][1]["value"])
    table = [line for line in markdown.splitlines() if line.startswith("|")]
    assert table[:3] == [
        "| 時間 | 流程 | 負責人 |",
        "| --- | --- | --- |",
        "| 14:00 | 媒體招待會開始，歡迎詞 | 主持人 |",
    ]
    assert len(table) == 8
    assert [line[:3] for line in markdown.splitlines() if line[:1].isdigit()] == ["1. ", "2. ", "3. ", "4. "]


WHOLE = (
    (
        "saved_page_2022-12_what-is-programming.html",
        "saved_page_2022-12_what-is-programming#0",
        2,
        "b04435300db9a9bb6788382c2b997b26166ee2f3fea3c84f02ad0863640d6f0d",
    ),
    (
        "saved_page_2023-08-18_chat-gpt-currency-analysis-symbols-distribution.html",
        "saved_page_2023-08-18_chat-gpt-currency-analysis-symbols-distribution#0",
        2,
        "35f69c34178f0f9429805140c8bb20ff00c6f60b970334f15e39df820850c884",
    ),
    (
        "saved_page_2024-05-17_chat-gpt-http-server-with-npx.html",
        "saved_page_2024-05-17_chat-gpt-http-server-with-npx#0",
        2,
        "c7786e8d675cd09983616518e8cc3e40d78003a924ac5be4b96a6e43972f6ea1",
    ),
    (
        "saved_page_2025-05-28_chat-gpt-next-js-15-api-route.html",
        "saved_page_2025-05-28_chat-gpt-next-js-15-api-route#0",
        14,
        "8c17f9ebf62b4971d75d780df30b29425c48624c09b73e427a7e0c85cb33edd8",
    ),
    (
        "sharegpt90k_raw_4.json",
        "zi8VbDz",
        12,
        "92c9aa00f64be7bf45510fc8cafd7143696d4e133c9b1abb4f856d0ed63af241",
    ),
    (
        "sharegpt90k_raw_4.json",
        "SrsuSpq",
        2,
        "0ba3873544bc85518d00767cf8c06494ed99f30fd49203b437c4b27b1ad2a9f1",
    ),
    (
        "sharegpt90k_raw_4.json",
        "aBcTm4S",
        12,
        "06aa1d7b105d8d5dc1e00c801cc290633c44e92a804954d10acc002f5efbe2af",
    ),
    (
        "sharegpt90k_raw_4.json",
        "3p7VL5M",
        4,
        "804191edef01d51d29d4edb4ead6371c26e9ea193c0e5f519e959b8258fc563f",
    ),
)


@pytest.mark.parametrize("golden", WHOLE, ids=lambda golden: golden[1])
def test_the_whole_of_each_conversation(golden: tuple[str, str, int, str], shared_data: Path, tmp_path: Path) -> None:
    page, conversation, messages, digest = golden
    clean([shared_data / "sharegpt_html" / page], out=tmp_path / "out.jsonl", workers=1)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    (texts,) = [[one["content"] for one in line["messages"]] for line in lines if line["id"] == conversation]
    assert len(texts) == messages
    assert hashlib.sha256("\n\0".join(texts).encode()).hexdigest() == digest
