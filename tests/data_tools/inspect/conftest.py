"""A dump that would do harm to a page that read it as markup, prepared; and the sample's content for a page."""

import json
from pathlib import Path

import pytest

from data_tools.inspect.collect import Content, collect
from data_tools.prepare import Options, prepare
from data_tools.prepared import Prepared, open_prepared

PAYLOADS = (
    "</script><script>window.hit=1</script>",
    "<!--<script>window.hit=1</script>-->",
    "<img src=http://127.0.0.1:9/x onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "' autofocus onfocus=window.hit=1 tabindex=1 x='",
    "</style></title></textarea><iframe src=javascript:parent.hit=1></iframe>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "<link rel=stylesheet href=http://127.0.0.1:9/x.css><base href=http://127.0.0.1:9/>",
    "<a href='javascript:window.hit=1' ping=http://127.0.0.1:9/>x</a>",
    "$style ${script} $data {{constructor.constructor('window.hit=1')()}} `${window.hit=1}`",
    "&lt;script&gt; \\u003cscript\\u003e \u2028 \u202e \x00 \ud83d __proto__",
)


@pytest.fixture(scope="session")
def sample_content(sample_prepared: Path) -> Content:
    """What the page of the sample shows, all of its conversations."""
    return collect(open_prepared(sample_prepared), model=None, most=500)


@pytest.fixture(scope="session")
def hostile(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Payloads in the dump's name, ids, roles and texts, and in what the manifest says of templates, rules, options."""
    folder = tmp_path_factory.mktemp("hostile")
    dump = folder / "<img src=x onerror=window.hit=1>' onload='.json"
    dump.write_text(json.dumps([_record(payload) for payload in PAYLOADS]))
    options = Options(inputs=(dump,), model=str(small_model), template="chatml", out=folder / "<b>title", workers=1)
    manifest = prepare(options)
    payload = " ".join(PAYLOADS).replace("\ud83d", "")
    manifest |= {"template": payload, "tokenizer": payload, "versions": {payload: payload, "chaku": payload}}
    manifest["rejected"][payload] = {"turns": 1, "supervised_tokens": 1}
    manifest["cleaning"][payload] = {"version": 1, "turns_changed": 1}
    manifest["options"] |= {payload: payload}
    manifest["inputs"].append({"file": payload, "bytes": 1, "sha256": payload})
    return Prepared(options.out, manifest)


def _record(payload: str) -> dict[str, object]:
    turns = [("gpt", payload), ("human", payload), ("gpt", f"<p>{payload}</p>"), ("human", f" {payload} "),
             ("gpt", payload), (payload, payload), ("human", payload)]  # fmt: skip
    return {
        "id": payload.replace("\ud83d", ""),
        "system": payload,
        "conversations": [{"from": role, "value": text} for role, text in turns],
    }
