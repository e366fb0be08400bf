from pathlib import Path

from data_tools.inspect.documents import IGNORED, SpanTable, documents_of, in_order
from data_tools.prepared import open_prepared
from templates.loading import load_encoder
from templates.preview import spans_of
from templates.visible import visible


def test_documents_come_in_the_order_of_the_conversation_with_every_supervised_token(
    sample_prepared: Path, small_model: Path
) -> None:
    prepared, encoder = open_prepared(sample_prepared), load_encoder("vicuna_v1.1", small_model)
    lines = [line for part in ("train", "held_out") for line in prepared.conversations(part)]
    documents = documents_of(prepared, {line["id"] for line in lines})
    several = 0
    for line in lines:
        texts = [message["content"] for message in line["messages"]]
        ordered = in_order(documents[line["id"]], texts, encoder)
        replies = "".join(message["content"] for message in line["messages"] if message["role"] == "assistant")
        taught = "".join(
            encoder.decode([label for label in document.labels if label != IGNORED]) for document in ordered
        )
        said = "".join(taught.replace("<|im_end|>", "").split())
        assert said == "".join(replies.split())
        several += len(ordered) > 1
    assert several >= 3


def test_spans_hold_every_id_and_runs_say_which_are_supervised(sample_prepared: Path, small_model: Path) -> None:
    prepared, encoder, table = open_prepared(sample_prepared), load_encoder("vicuna_v1.1", small_model), SpanTable()
    [line, *_] = prepared.conversations("train")
    [document, *_] = documents_of(prepared, {line["id"]})[line["id"]]
    shown = document.for_page(encoder, table)
    spans, runs = shown["spans"], shown["runs"]
    assert isinstance(spans, list)
    assert isinstance(runs, list)
    rows = [table.rows[place] for place in spans]
    assert [token for _, _, *ids in rows for token in ids] == document.ids
    kinds = [run % 2 == 1 for run, length in enumerate(runs) for _ in range(length)]
    supervised = [kind for kind, (_, _, *ids) in zip(kinds, rows, strict=True) for _ in ids]
    assert supervised == [label != IGNORED for label in document.labels]
    assert len(table.rows) == len({tuple(row) for row in table.rows})


def test_spans_are_those_of_the_preview(small_model: Path) -> None:
    encoder, table = load_encoder("vicuna_v1.1", small_model), SpanTable()
    texts = ["四🦙 naïve 👩🏽‍🚀", "plain", "🦙", "\ud7ff\u0301"]
    [encoded] = encoder.encode([[{"role": "user", "content": " ".join(texts)}, {"role": "assistant", "content": "🦙"}]])
    for ids, mask in ((encoded.ids, encoded.mask), (encoded.ids[7:-2], encoded.mask[7:-2])):
        spans = spans_of(encoder, ids, mask)
        assert any(len(span.ids) > 1 for span in spans)
        places = table.places(encoder, ids, mask)
        assert [tuple(table.rows[place][2:]) for place, _ in places] == [span.ids for span in spans]
        assert [table.rows[place][0] for place, _ in places] == [visible(span.text) for span in spans]
        assert [supervised for _, supervised in places] == [span.kind == "supervised" for span in spans]
