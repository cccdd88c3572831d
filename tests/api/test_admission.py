from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.api.admission import decoded, refuse_foreign_page
from inferpoint.errors import InferenceError, Kind, Subject


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9210", "127.0.0.1:9210", "[::1]:9210", "LOCALHOST:1", "[::1]", "127.0.0.2:9210"]
)
def test_this_machine_by_its_own_names_comes_in(host: str) -> None:
    """A program on this machine, or a page that this server itself gave out, may ask."""
    refuse_foreign_page({"host": host})
    refuse_foreign_page({"host": host, "origin": f"http://{host}"})


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.test",
        "127.0.0.1.evil.test",
        "localhost.evil.test",
        "evil.test:9210",
        "[::1",
        "[",
        "@localhost.x",
        "0.0.0.0",
    ],
)
def test_a_name_that_was_made_to_mean_this_machine_does_not(host: str) -> None:
    """DNS rebinding is known by the name that the page came by."""
    with pytest.raises(InferenceError) as caught:
        refuse_foreign_page({"host": host})
    assert caught.value.kind is Kind.FORBIDDEN


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.test",
        "null",
        "",
        "http://localhost:1",
        "https://localhost.evil.test:9210",
        "http://[",
        "file://",
        "http://[::1",
    ],
)
def test_a_page_from_elsewhere_stays_out(origin: str) -> None:
    """A page of another origin, or of none, may not use this server; a broken origin is one too."""
    with pytest.raises(InferenceError) as caught:
        refuse_foreign_page({"host": "localhost:9210", "origin": origin})
    assert caught.value.kind is Kind.FORBIDDEN


def test_what_has_no_host_is_no_page() -> None:
    """A health check over HTTP/1.0 names no host, which no browser leaves out; nor has it an origin."""
    refuse_foreign_page({})
    with pytest.raises(InferenceError):
        refuse_foreign_page({"origin": "http://evil.test"})


@given(st.text(), st.text())
def test_any_host_and_origin_are_judged(host: str, origin: str) -> None:
    """Whatever a page writes there, it comes in or is forbidden."""
    try:
        refuse_foreign_page({"host": host, "origin": origin})
    except InferenceError as error:
        assert error.kind is Kind.FORBIDDEN


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
