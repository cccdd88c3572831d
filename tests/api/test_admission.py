from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.api.admission import decoded
from inferpoint.errors import InferenceError, Kind, Subject


@given(st.binary(max_size=200))
def test_gzip_is_unpacked(body: bytes) -> None:
    """What was packed comes back; no encoding is none."""
    for name in ("gzip", "x-gzip"):
        assert decoded(gzip.compress(body), name, 1000) == body
    assert decoded(body, "", 1) == decoded(body, "identity", 1) == body


def test_a_bomb_is_unpacked_no_further_than_is_taken() -> None:
    """A small body that unpacks to more than is taken is refused, at the limit exactly."""
    packed = gzip.compress(bytes(1000))
    assert decoded(packed, "gzip", 1000) == bytes(1000)
    with pytest.raises(InferenceError) as caught:
        decoded(packed, "gzip", 999)
    assert caught.value.kind is Kind.TOO_LARGE


def test_a_bomb_takes_no_memory() -> None:
    """What unpacks to two hundred megabytes is refused without having been unpacked."""
    packing = zlib.compressobj(wbits=31)
    bomb = b"".join(packing.compress(bytes(2**20)) for _ in range(200)) + packing.flush()
    tracemalloc.start()
    try:
        with pytest.raises(InferenceError, match=r"larger than \[1024\] bytes"):
            decoded(bomb, "gzip", 1024)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize(
    "body", [b"x", gzip.compress(b"abc")[:-1], gzip.compress(b"abc") + b"x", gzip.compress(b"a") * 2, b"\x1f\x8b"]
)
def test_what_is_not_one_whole_gzip_member_is_refused(body: bytes) -> None:
    """Broken, cut short, or with something behind it: an error of the caller's."""
    with pytest.raises(InferenceError) as caught:
        decoded(body, "gzip", 1000)
    assert (caught.value.kind, caught.value.subject) == (Kind.INVALID, Subject.BODY)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_other_encodings_are_refused(encoding: str) -> None:
    """Only gzip is taken."""
    with pytest.raises(InferenceError, match="is not supported"):
        decoded(b"x", encoding, 1000)
