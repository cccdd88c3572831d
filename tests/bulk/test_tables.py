"""Parquet and Arrow, written by pyarrow."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import TEXT, WHOLE, read

from inferpoint.bulk.sources import parquet as inferpoint_parquet
from inferpoint.bulk.sources.opening import opened
from inferpoint.bulk.sources.source import Fields, Item
from inferpoint.errors import InferenceError, Kind

Write = Callable[..., None]


def parquet(table: pa.Table, path: Path, rows: int = 4, **how: Any) -> None:
    """In row groups of so many rows."""
    pq.write_table(table, path, row_group_size=rows, **how)


def arrow(table: pa.Table, path: Path, rows: int = 4, **how: Any) -> None:
    """In record batches of so many rows."""
    with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(**how)) as writer:
        writer.write_table(table, rows)


def stream(table: pa.Table, path: Path, rows: int = 4, **how: Any) -> None:
    """As a stream, without a footer."""
    with pa.ipc.new_stream(path, table.schema, options=pa.ipc.IpcWriteOptions(**how)) as writer:
        writer.write_table(table, rows)


WAYS = pytest.mark.parametrize(("name", "write"), [("d.parquet", parquet), ("d.arrow", arrow), ("d.arrows", stream)])
TABLE = pa.table(
    {
        "id": list(range(10)),
        "vector": [[1.0, 2.0]] * 10,
        "text": [f"text {number}" for number in range(10)],
        "lang": ["en"] * 10,
    }
)
ITEMS = [Item(f"text {number}", str(number), {"lang": "en"}) for number in range(10)]


@WAYS
@pytest.mark.parametrize("rows", [1, 4, 100])
@pytest.mark.parametrize("most", [1, 3, 7, 2048])
def test_every_row_is_an_item(tmp_path: Path, name: str, write: Write, rows: int, most: int) -> None:
    """However the file is grouped, and however it is cut."""
    write(TABLE, path := tmp_path / name, rows)
    assert read(path, WHOLE, most) == ITEMS


@WAYS
@pytest.mark.parametrize(
    "column",
    [
        pa.array(["one", None, "drei ä", ""]),
        pa.array(["one", None, "drei ä", ""], pa.large_string()),
        pa.array(["one", None, "drei ä", ""]).dictionary_encode(),
        pa.array([b"one", None, "drei ä".encode(), b""]),
    ],
    ids=["string", "large_string", "dictionary", "binary"],
)
def test_texts_are_of_several_types(tmp_path: Path, name: str, write: Write, column: pa.Array) -> None:
    """Bytes are those of UTF-8, and null is no text."""
    write(pa.table({"text": column}), path := tmp_path / name)
    assert read(path, TEXT) == [Item("one"), Item(""), Item("drei ä"), Item("")]


@WAYS
def test_fields_may_be_in_others(tmp_path: Path, name: str, write: Write) -> None:
    """A dotted name leads to them, unless a column is called so itself; a null on the way is null."""
    rows = [{"doc": {"body": {"text": "one"}, "no": "7"}, "a.b": 1}, {"doc": None, "a.b": 2}]
    write(pa.Table.from_pylist(rows), path := tmp_path / name)
    assert read(path, Fields("doc.body.text", keep=("a.b",))) == [
        Item("one", None, {"a.b": 1}),
        Item("", None, {"a.b": 2}),
    ]


@WAYS
def test_a_table_without_rows_has_no_spans(tmp_path: Path, name: str, write: Write) -> None:
    """With a group of none, too."""
    write(TABLE.slice(0, 0), path := tmp_path / name)
    assert read(path) == []


@WAYS
def test_a_row_of_five_megabytes_is_read_with_few_others(tmp_path: Path, name: str, write: Write) -> None:
    """A span is small enough for the memory, also where rows are large."""
    rows = [text for number in range(6) for text in (str(number) * 5_000_000, "y")]
    write(pa.table({"text": rows}), path := tmp_path / name, 100, compression="zstd")
    assert [item.text for item in read(path, TEXT, 2048)] == rows
    assert max(span.items for span in opened(str(path), TEXT).spans(2048)) <= 8


@WAYS
def test_texts_that_are_not_utf_8_are_items_with_a_problem(tmp_path: Path, name: str, write: Write) -> None:
    """Their neighbours are read; also where the column is in another."""
    bad = pa.StringArray.from_buffers(2, pa.array([b"ok", b"\xff\xfe"]).buffers()[1], pa.py_buffer(b"ok\xff\xfe"))
    write(pa.table({"text": bad}), path := tmp_path / name)
    if name == "d.parquet":
        assert read(path, TEXT) == [Item("ok"), Item("", problem=r"[text] is not UTF-8: \xff\xfe")]
        write(pa.table({"a": pa.StructArray.from_arrays([bad], ["b"])}), path)
        assert read(path, Fields("a.b")) == [Item("ok"), Item("", problem=r"[a.b] is not UTF-8: \xff\xfe")]
    else:
        with pytest.raises(InferenceError, match="UTF8") as raised:
            read(path, TEXT)
        assert raised.value.kind is Kind.UNREADABLE


@WAYS
@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"body": ["x"]}, r"There must be one column \[text\], and there are \[body\]"),
        ({}, r"There must be one column \[text\], and there are none"),
        ({"text": [1]}, r"The column \[text\] must be of texts, and is of int64"),
        ({"text": [["x"]]}, r"The column \[text\] must be of texts, and is of list<"),
    ],
    ids=["other", "none", "numbers", "lists"],
)
def test_a_table_without_texts_is_refused(
    tmp_path: Path, name: str, write: Write, columns: dict[str, list[Any]], problem: str
) -> None:
    """Before anything is planned."""
    write(pa.table(columns), path := tmp_path / name)
    with pytest.raises(InferenceError, match=problem) as raised:
        list(opened(str(path), TEXT).spans(10))
    assert raised.value.kind is Kind.INVALID


def test_a_parquet_file_is_told_by_its_footer(tmp_path: Path) -> None:
    """Another one of the same size and time is another."""
    prints = set()
    for number in range(3):
        parquet(pa.table({"text": [f"text {number}"]}), path := tmp_path / "d.parquet")
        prints.add(opened(str(path), TEXT).fingerprints()["d.parquet"].rpartition("-")[2])
    assert len(prints) == 3
    path.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(InferenceError, match=r"^\[d.parquet\]: The file does not end as Parquet does"):
        opened(str(path), TEXT).fingerprints()


@WAYS
def test_a_file_with_wrong_bytes_is_read_or_refused_and_never_more(tmp_path: Path, name: str, write: Write) -> None:
    """Whatever is damaged, what comes is the items that were planned, or an error that names the file."""
    write(TABLE, path := tmp_path / name, 4, compression="zstd")
    whole, drawn = path.read_bytes(), random.Random(7)
    for number in range(300):
        content = bytearray(whole)
        for _ in range(1 + number % 4):
            content[drawn.randrange(len(content))] = drawn.randrange(256)
        path.write_bytes(content[: drawn.randrange(len(content))] if number % 5 == 0 else content)
        source = opened(str(path), WHOLE)
        try:
            source.fingerprints()
            for span in source.spans(3):
                assert len(list(source.read(span))) == span.items
        except InferenceError as error:
            assert str(error).startswith(f"[{name}]"), error
        finally:
            source.close()


def test_a_footer_that_lies_about_rows_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are not there are told, and more than can be in so few bytes are not planned."""
    parquet(pa.table({"text": ["x"] * 12_345}), path := tmp_path / "d.parquet", 20_000)
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    true, lie = b"\xf2\xc0\x01", b"\x80\x89\x7a"  # 12,345 and 1,000,000 as Thrift writes them
    assert content[footer:].count(true) >= 3
    path.write_bytes(content[:footer] + content[footer:].replace(true, lie))
    source = opened(str(path), TEXT)
    spans = list(source.spans(100_000))
    assert sum(span.items for span in spans) == 1_000_000
    with pytest.raises(InferenceError, match=r"^\[d.parquet\]") as raised:
        list(source.read(spans[0]))
    assert raised.value.kind is Kind.UNREADABLE
    monkeypatch.setattr(inferpoint_parquet, "_ROWS", 100)
    with pytest.raises(InferenceError, match="Row group 0 says that it has 1000000 rows, which cannot be"):
        list(source.spans(100_000))
