"""moto's S3: objects of a bucket keep the promises of objects, and are read as files are."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from objects_promised import Promises
from reading import TEXT, texts

from inferpoint.bulk import objects
from inferpoint.bulk.addresses import address
from inferpoint.bulk.sources.opening import opened
from inferpoint.errors import InferenceError, Kind


class TestBucket(Promises):
    @pytest.fixture
    def place(self, bucket: Callable[[], str]) -> objects.Objects:
        return objects.at(address(bucket() + "/below"))


def test_a_bucket_that_is_not_there_is_told(bucket: Callable[[], str]) -> None:
    """As what is not found."""
    bucket()
    with pytest.raises(InferenceError) as raised:
        objects.at(address("s3://no-such-bucket")).stat("x")
    assert raised.value.kind is Kind.NOT_FOUND


TEXTS = [f"text {number} " + "x" * 150 for number in range(3000)]
LINES = [b'{"text": "%s"}\n' % text.encode() for text in TEXTS]


def parquet() -> bytes:
    """The texts in several row groups."""
    held = io.BytesIO()
    pq.write_table(pa.table({"text": TEXTS}), held, row_group_size=1000)
    return held.getvalue()


@pytest.fixture
def full(bucket: Callable[[], str]) -> str:
    """A bucket with the texts in several formats, each in a folder of its own."""
    url = bucket()
    place = objects.at(address(url))
    place.write("jsonl/a b.jsonl", b"".join(LINES[:1500]))
    place.write("jsonl/ä/b.ndjson", b"".join(LINES[1500:]))
    place.write("jsonl/_SUCCESS", b"")
    place.write("csv/docs.csv", b"text\r\n" + "\r\n".join(TEXTS).encode())
    place.write("gzip/docs.jsonl.gz", gzip.compress(b"".join(LINES)))
    place.write("parquet/docs.parquet", parquet())
    return url


@pytest.mark.parametrize(
    "below",
    [
        "jsonl",
        "jsonl/",
        "jsonl/**/*json*",
        "csv/docs.csv",
        "csv/*",
        "gzip/docs.jsonl.gz",
        "parquet/docs.parquet",
    ],
)
def test_a_bucket_is_read_as_a_folder_is(full: str, below: str) -> None:
    """An object, a folder with and without its slash, and a pattern; by ranges of bytes."""
    assert texts(f"{full}/{below}", 700) == TEXTS


def test_a_bucket_has_what_was_asked_for(full: str) -> None:
    """Or says that it has not."""
    assert list(opened(f"{full}/jsonl", TEXT).fingerprints()) == ["a b.jsonl", "ä/b.ndjson"]
    for below in ("jsonl/none.jsonl", "none/", "jsonl/*.csv", "jso"):
        with pytest.raises(InferenceError, match="names no file that is there") as raised:
            opened(f"{full}/{below}", TEXT)
        assert raised.value.kind is Kind.NOT_FOUND


@pytest.mark.parametrize("name", ["csv/docs.csv", "gzip/docs.jsonl.gz", "parquet/docs.parquet"])
def test_an_object_that_changes_stops_a_job(full: str, name: str) -> None:
    """Its next range is not taken for one of the same object."""
    source = opened(f"{full}/{name}", TEXT)
    first, *_, last = source.spans(700)
    before = source.fingerprints()
    place = objects.at(address(full))
    content = place.open(name, place.stat(name)).read()
    place.write(name, content + b"\n")
    for span in (first, last):
        with pytest.raises(InferenceError, match=r"has changed") as raised:
            list(source.read(span))
        assert raised.value.kind is Kind.CONFLICT
    assert place.stat(name).version not in str(before)
