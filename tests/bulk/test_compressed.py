from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from reading import TEXT, WHOLE, read, texts

from inferpoint.bulk.sources import compressed
from inferpoint.bulk.sources.opening import opened
from inferpoint.bulk.sources.source import Fields, Item
from inferpoint.errors import InferenceError, Kind


def zstd(content: bytes) -> bytes:
    """One frame, as pyarrow's zstd makes it."""
    held = pa.BufferOutputStream()
    with pa.CompressedOutputStream(held, "zstd") as stream:
        stream.write(content)
    return held.getvalue().to_pybytes()


WAYS = pytest.mark.parametrize(("suffix", "packed"), [("gz", gzip.compress), ("zst", zstd), ("zstd", zstd)])
JSONL = b"\xef\xbb\xbf" + b"\n\n".join(b'{"id": %d, "text": "t%d", "lang": "x"}' % (n, n) for n in range(10))
CSV = b'id,text,lang\r\n0,t0,x\r\n1,"t1",x\r\n2,t2,x\r\n'
ITEMS = [Item(f"t{number}", str(number), {"lang": "x"}) for number in range(10)]


@WAYS
@pytest.mark.parametrize("most", [1, 3, 2048])
def test_texts_are_read_as_if_they_were_not_compressed(
    tmp_path: Path, suffix: str, packed: Callable[[bytes], bytes], most: int
) -> None:
    """Both formats, also where several compressed files are one after another in one."""
    (path := tmp_path / f"docs.jsonl.{suffix}").write_bytes(packed(JSONL[:100]) + packed(JSONL[100:]))
    assert read(path, WHOLE, most) == ITEMS
    (path := tmp_path / f"docs.csv.{suffix}").write_bytes(packed(CSV))
    assert read(path, WHOLE, most) == ITEMS[:3]


@WAYS
def test_what_is_cut_off_or_something_else_is_told(
    tmp_path: Path, suffix: str, packed: Callable[[bytes], bytes]
) -> None:
    """When it is planned, before anything is paid for."""
    whole = packed(b"\n".join(json.dumps(f"text {number}").encode() for number in range(50_000)))
    for content in (whole[: len(whole) // 2], whole[:-3], b"words and no compression"):
        (path := tmp_path / f"docs.jsonl.{suffix}").write_bytes(content)
        with pytest.raises(InferenceError, match=rf"^\[docs\.jsonl\.{suffix}\] cannot be read: ") as raised:
            list(opened(str(path), TEXT).spans(10))
        assert raised.value.kind is Kind.UNREADABLE


def test_spans_that_follow_each_other_are_decompressed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, nearly in order, and as three workers take turns; who goes back begins anew."""
    opens: list[str] = []
    monkeypatch.setitem(compressed.SUFFIXES, ".gz", "gzip")
    own = compressed._gzip

    def counted(file: compressed.File) -> object:
        opens.append(file.name)
        return own(file)

    monkeypatch.setattr(compressed, "_gzip", counted)
    (path := tmp_path / "docs.jsonl.gz").write_bytes(gzip.compress(b"\n".join(b'"t%d"' % n for n in range(500))))
    source = opened(str(path), Fields("text"))
    spans = list(source.spans(1))
    opens.clear()
    assert [item.text for span in spans for item in source.read(span)] == [f"t{number}" for number in range(500)]
    assert len(opens) == 1
    for first in range(0, 300, 3):
        for span in (spans[first + 1], spans[first], spans[first + 2]):
            assert [item.text for item in source.read(span)] == [f"t{span.begin}"]
    assert len(opens) <= 3
    source.close()


def test_only_texts_are_read_compressed(tmp_path: Path) -> None:
    """Parquet is compressed inside."""
    (path := tmp_path / "docs.parquet.gz").write_bytes(b"")
    with pytest.raises(
        InferenceError, match=r"\[docs.parquet.gz\] ends in no format that is known: jsonl, ndjson, csv"
    ):
        texts(path)
