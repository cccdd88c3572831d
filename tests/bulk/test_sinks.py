from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sinks_promised import SPACE, Place, Promises, chunks, done, row, texts_of

from inferpoint.bulk.job import Space
from inferpoint.bulk.sinks.opening import opened
from inferpoint.bulk.sinks.sink import Part, Receipt, Row
from inferpoint.errors import InferenceError, Kind


class Files(Place):
    def __init__(self, address: str) -> None:
        self.address = address

    def rows(self) -> list[dict[str, Any]]:
        path = Path(self.address.partition("?")[0])
        several = sorted(path.glob("part-*")) if path.is_dir() else [path]
        return [one for file in several for one in read(file)]


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def digest_of(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


ADDRESSES = ["out/", "out/?format=jsonl", "out/?format=jsonl.gz", "out.parquet", "out.jsonl", "out.jsonl.gz"]


class TestFiles(Promises):
    @pytest.fixture(params=ADDRESSES)
    def place(self, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
        return Files(f"{tmp_path}/{request.param}")

    def test_only_what_receipts_name_is_left(self, place: Place, tmp_path: Path) -> None:
        """No part of an attempt that was given up, and in a folder each file with its digest."""
        sink = place.sink()
        sink.open(SPACE)
        sink.write(Part(0, 0, 1), [row("a"), row("b")])
        receipts = [sink.write(Part(0, 0, 2), [row("a")]), sink.write(Part(0, 1, 2), [row("b")])]
        sink.finish(receipts)
        parts = {path.name: path for path in tmp_path.rglob("part-*")}
        if (tmp_path / "out").is_dir():
            told = json.loads((tmp_path / "out/_SUCCESS").read_text("utf-8"))
            assert told == {"space": msgspec.to_builtins(SPACE), "files": {one.file: one.digest for one in receipts}}
            assert {
                name: f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for name, path in parts.items()
            } == (told["files"])
        else:
            assert not parts
            assert len(list(tmp_path.rglob("joined-*"))) == 1

    def test_files_are_of_one_job(self, place: Place) -> None:
        """Another job does not write over them, though its vectors are of the same space."""
        sink = place.sink()
        sink.open(SPACE)
        receipts = [sink.write(Part(0, 0, 1), [row("a")])]
        with pytest.raises(InferenceError, match=r"job \[job\]") as raised:
            place.sink(job="other").open(SPACE)
        assert raised.value.kind is Kind.INVALID
        assert done(place, sink, receipts) == texts_of(row("a"))

    def test_a_job_that_wrote_nothing_leaves_its_place(self, place: Place) -> None:
        """What was opened and never written may be another job's, and of another space."""
        place.sink(job="other").open(Space("another", 3, None))
        sink = place.sink()
        sink.open(SPACE)
        assert done(place, sink, [sink.write(Part(0, 0, 1), [row("a")])]) == texts_of(row("a"))

    def test_a_part_that_is_gone_is_told(self, place: Place, tmp_path: Path) -> None:
        """A job is not finished without what somebody removed."""
        sink = place.sink()
        sink.open(SPACE)
        receipts = [sink.write(Part(0, 0, 1), [row("a")]), sink.write(Part(1, 0, 1), [row("b")])]
        next(tmp_path.rglob("part-000001-*")).unlink()
        with pytest.raises(InferenceError, match=r"part-000001-00000-1.* is not there any more") as raised:
            sink.finish(receipts)
        assert raised.value.kind is Kind.INTERNAL

    def test_a_full_disk_is_for_now(self, place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The part is to be written again, and is whole then; a file that cannot be joined is joined later."""
        sink = place.sink()
        sink.open(SPACE)

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(InferenceError) as raised:
                sink.write(Part(0, 0, 1), [row("a")])
            assert raised.value.kind is Kind.OVERLOADED
        receipts = [sink.write(Part(0, 0, 1), [row("a")])]
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(InferenceError, match="No space left"):
                sink.finish(receipts)
        assert done(place, sink, receipts) == texts_of(row("a"))
        assert not [path for path in tmp_path.rglob(".*") if path.is_file()]

    @pytest.mark.parametrize("element", ["byte", "bit", "weights", "text"])
    def test_a_value_of_any_kind_is_kept(self, place: Place, element: str) -> None:
        """Signed bytes, bits by the byte, weights of tokens and what a model wrote."""
        space = Space("model", {"byte": 3, "bit": 24}.get(element), None, element)
        value: Any = {"weights": {"a": 0.5, "ü": 2.0}, "text": 'A "text"\n'}.get(element, msgspec.Raw(b"[1, -128,127]"))
        sink = place.sink()
        sink.open(space)
        sink.finish([sink.write(Part(0, 0, 1), [Row("a", "a", "t", value)])])
        name = {"weights": "weights", "text": "completion"}.get(element, "embedding")
        (one,) = place.rows()
        held = dict(one[name]) if element == "weights" else one[name]
        assert held == ([1, -128, 127] if name == "embedding" else value)


def test_an_empty_vector_of_unknown_length_is_kept(tmp_path: Path) -> None:
    """Where nobody knows how long vectors are, each has the length that it has."""
    place = Files(f"{tmp_path}/out.parquet")
    sink = place.sink()
    sink.open(Space("model", None, None))
    rows = [Row(name, name, name, msgspec.Raw(value)) for name, value in (("a", b"[1,2]"), ("b", b"[3]"))]
    sink.finish([sink.write(Part(0, 0, 1), rows)])
    assert [one["embedding"] for one in place.rows()] == [[1, 2], [3]]


def test_a_file_is_not_written_over(tmp_path: Path) -> None:
    """A file that no job wrote is somebody's."""
    path = tmp_path / "out.parquet"
    path.write_bytes(b"mine")
    with pytest.raises(InferenceError, match="is there already") as raised:
        Files(str(path)).sink().open(SPACE)
    assert raised.value.kind is Kind.INVALID
    assert path.read_bytes() == b"mine"


NOW = datetime(2026, 11, 28, 20, 15, tzinfo=UTC)
# What the parts of a job have in one field, the type of the column, and what is in it.
TYPED: dict[str, tuple[list[list[Any]], Any, list[Any]]] = {
    "whole numbers": ([[1, None], [2]], pa.int64(), [1, None, 2]),
    "nothing": ([[None], [None]], pa.large_string(), [None, None]),
    "nothing at first": ([[None], ["x"]], pa.large_string(), [None, "x"]),
    "fractions later": ([[1, 2], [2.5]], pa.float64(), [1.0, 2.0, 2.5]),
    "fractions at first": ([[2.5], [1]], pa.float64(), [2.5, 1.0]),
    "truth": ([[True], [False]], pa.bool_(), [True, False]),
    "times": ([[NOW], [None]], pa.timestamp("us", "UTC"), [NOW, None]),
    "decimals": ([[Decimal("1.50")], [None]], pa.decimal128(3, 2), [Decimal("1.50"), None]),
    "text later": ([[1], ["one"], [None]], pa.large_string(), ["1", '"one"', None]),
    "mixed at once": ([[1, "one"], ["two"], [3]], pa.large_string(), ["1", '"one"', '"two"', "3"]),
    "lists": ([[["a", "b"]], [["c"]]], pa.large_string(), ['["a","b"]', '["c"]']),
    "objects": ([[{"a": 1}], [None]], pa.large_string(), ['{"a":1}', None]),
    "large numbers": ([[2**80], [1]], pa.large_string(), [str(2**80), "1"]),
    "truth and numbers": ([[True], [1]], pa.large_string(), ["true", "1"]),
}


@pytest.mark.parametrize("address", ["out/", "out.parquet"])
@pytest.mark.parametrize(("values", "kind", "expected"), TYPED.values(), ids=TYPED)
def test_a_field_has_one_type(tmp_path: Path, address: str, values: list[list[Any]], kind: Any, expected: Any) -> None:
    """Of all files, which one reader reads: its own where all values have one, else JSON text."""
    sink = opened(f"{tmp_path}/{address}", False, ("field",), "job")
    sink.open(SPACE)
    receipts = [
        sink.write(Part(shard, 0, 1), [row(f"{shard}-{place}", field=value) for place, value in enumerate(several)])
        for shard, several in enumerate(values)
    ]
    for _ in range(2):
        sink.finish(receipts)
        table = pq.read_table(tmp_path / address)
        assert table.schema.field("field").type == kind
        assert table.column("field").to_pylist() == expected
        assert len([*sink.ids(receipts)]) == len(expected)
    if (told := tmp_path / address / "_SUCCESS").exists():
        for name, digest in json.loads(told.read_bytes())["files"].items():
            assert digest == digest_of(tmp_path / address / name)


def test_parquet_tells_its_space(tmp_path: Path) -> None:
    """In the metadata of its schema, with vectors as lists of one length, in the order of the items."""
    sink = opened(f"{tmp_path}/out.parquet", True, (), "job")
    sink.open(SPACE)
    parts = [Part(1, 0, 1), Part(0, 512, 3), Part(0, 0, 2)]
    receipts = [sink.write(part, chunks(f"d{number}", 2)) for number, part in enumerate(parts)]
    sink.finish([*receipts, Receipt(0)])
    table = pq.read_table(tmp_path / "out.parquet")
    assert json.loads(table.schema.metadata[b"inferpoint.space"]) == msgspec.to_builtins(SPACE)
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 8)
    assert table.column("id").to_pylist() == ["d2#0", "d2#1", "d1#0", "d1#1", "d0#0", "d0#1"]
    rows = [one for number in (2, 1, 0) for one in chunks(f"d{number}", 2)]
    assert [(one["chunk"], one["start"], one["end"]) for one in table.to_pylist()] == [
        (one.chunk, one.start, one.end) for one in rows
    ]


def test_what_a_job_joined_is_not_changed_by_others(tmp_path: Path) -> None:
    """A file that is not as it was joined is told when there is more to join, and stays as it is."""
    place = Files(f"{tmp_path}/out.jsonl")
    sink = place.sink()
    sink.open(SPACE)
    receipts = [sink.write(Part(0, 0, 1), [row("a")])]
    sink.finish(receipts)
    Path(place.address).write_text("mine", "utf-8")
    receipts.append(sink.write(Part(1, 0, 1), [row("b")]))
    with pytest.raises(InferenceError, match="was changed since it was joined"):
        sink.finish(receipts)
    assert Path(place.address).read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("address", "kept", "words"),
    [
        ("out", (), "has no format"),
        ("out.csv", (), "has no format"),
        ("out/?format=xml", (), "has no format"),
        ("out/?other=1", (), r"\[other\]"),
        ("ftp://host/x", (), "is no sink"),
        ("out.jsonl", ("text",), r"\[text\] cannot be kept"),
        ("postgresql://user:word@host/db?table=t", (), r"password.? must not be written"),
    ],
)
def test_an_address_that_is_none_is_told(address: str, kept: tuple[str, ...], words: str) -> None:
    """In words that name what is wrong, and repeat no secret."""
    with pytest.raises(InferenceError, match=words) as raised:
        opened(address, False, kept, "job")
    assert raised.value.kind is Kind.INVALID
    assert ":word@" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "module", "of"),
    [
        ("out/", "pyarrow", "bulk"),
        ("s3://bucket/out/", "obstore", "bulk"),
        ("https://host/index", "elasticsearch", "elasticsearch"),
        ("postgresql://host/db?table=t", "psycopg", "postgres"),
        ("lancedb:///folder?table=t", "lancedb", "lancedb"),
        ("qdrant://host/collection", "qdrant_client", "qdrant"),
    ],
)
def test_what_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch, address: str, module: str, of: str) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InferenceError, match=rf"pip install 'inferpoint\[{of}\]'") as raised:
        opened(address, False, (), "job")
    assert raised.value.kind is Kind.UNSUPPORTED


def test_nothing_is_imported_before_it_is_used(tmp_path: Path) -> None:
    """The sinks are known without the libraries of any, and JSON Lines are written without one."""
    program = (
        "import sys\nfrom inferpoint.bulk.sinks.opening import opened\nfrom inferpoint.bulk.job import Space\n"
        "sink = opened(sys.argv[1], False, (), 'j')\nsink.open(Space('m', 3, None))\nsink.finish([])\n"
        "print(*sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, f"{tmp_path}/out.jsonl"], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in ran.stdout.split()}
    assert not loaded & {"pyarrow", "obstore", "elasticsearch", "psycopg", "lancedb", "qdrant_client"}
    assert (tmp_path / "out.jsonl").read_bytes() == b""
