"""A path stays inside its place, however it is written and whatever links are there; an address is told to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from inferpoint.bulk.named_places import NamedPlaces, Within, joined, read_within, wrong_path
from inferpoint.configuration.places import BOTH, SINK, SOURCE, Place
from inferpoint.errors import InferenceError, Kind

PLACES = {
    "docs": Place(address="s3://bucket/all", use=SOURCE),
    "vectors": Place(address="postgresql://me:${PW}@db/one?sslmode=require", use=SINK),
    "root": Place(address="s3://bucket", use=BOTH),
}


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "docs.parquet",
        "2026/docs.parquet",
        "2026/",
        "a..b",
        "größe/ünïcode.jsonl",
        "日本語/文書.jsonl",
        "हिन्दी",
        "it's (1), a+b=c@d!_-.x",
    ],
)
def test_a_path_of_ordinary_names_is_one(path: str) -> None:
    """Letters and digits of any language, spaces and a few marks, with slashes between."""
    assert wrong_path(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/etc/passwd",
        "//host/share",
        "..",
        "../x",
        "a/..",
        "a/../../x",
        "a/./b",
        ".",
        "./a",
        "a//b",
        "a//",
        ".hidden",
        "a/.ssh/id",
        "a/.docs.parquet.parts/x",
        "a.",
        "a./b",
        " a",
        "a ",
        "a/ /b",
        "s3://other/x",
        "file:///etc/passwd",
        "https:x",
        "C:\\x",
        "a\\..\\b",
        "a\\b",
        "~/x",
        "~root",
        "$HOME/x",
        "${PW}",
        "$${PW}",
        "a${file:/etc/passwd}",
        "a?format=jsonl",
        "a?sslmode=disable",
        "a#x",
        "a&b",
        "a%2e%2e/b",
        "%2e%2e/x",
        "..%2fx",
        "a;b",
        "a|b",
        "`id`",
        '"; DROP TABLE x',
        "a<b>",
        "a\x00b",
        "a\nb",
        "a\r",
        "a\tb",
        "a\x7f",
        "a\u202eb",
        "a\u200bb",
        "\ufeffa",
        "a\u00a0b",
        "a\u2028b",
        "．．/x",
        "․․/x",
        "‥/x",
        "…/x",
        "a／b",
        "a∕b",
        "a⁄b",
        "a⧸b",
        "a＼b",
        "ａ",
        "ﬁle",
        "²",
        "gro\u0308ße",
        "\ud800",
        "a\ue000b",
        "*",
        "a*",
        "[a]",
        "{a}",
        "a" * 1025,
    ],
)
def test_a_path_that_may_be_read_otherwise_is_none(path: str) -> None:
    """Parents, roots, hidden files, addresses, references, patterns, controls and letters that look like others."""
    assert wrong_path(path) is not None
    places = NamedPlaces(PLACES)
    assert "path" in dict(places.problems(Within("vectors", path), writes=True))
    with pytest.raises(InferenceError):
        places.sink(Within("vectors", path).written)


@pytest.mark.parametrize("path", ["*.parquet", "2026/*.jsonl", "**/*.jsonl", "a*"])
def test_a_pattern_is_for_what_is_read(path: str) -> None:
    """Several files may be read by a pattern, which stays in its place as any path does; none is written."""
    places = NamedPlaces(PLACES)
    assert places.source(f"place:docs/{path}") == f"s3://bucket/all/{path}"
    assert dict(places.problems(Within("root", path), writes=True)).keys() == {"path"}
    for out in (f"../{path}", f"/{path}", f".{path}", f"a/..{path}/x"):
        assert dict(places.problems(Within("docs", out), writes=False)).keys() == {"path"}


@pytest.mark.parametrize(
    ("place", "writes", "problem"),
    [
        ("docs", True, "not one to write to"),
        ("vectors", False, "not one to read from"),
        ("dcs", False, "did you mean [docs]"),
        ("vector", False, "There is no place [vector]"),
        ("", False, "There is no place []"),
        ("s3://bucket", False, "There is no place"),
    ],
)
def test_a_place_is_for_what_its_configuration_says(place: str, problem: str, *, writes: bool) -> None:
    """What may only be read is not written, and no other name leads anywhere; a job that began before is held to it."""
    places = NamedPlaces(PLACES)
    assert problem in dict(places.problems(Within(place, "a"), writes=writes))["place"]
    with pytest.raises(InferenceError):
        (places.sink if writes else places.source)(f"place:{place}/a")


def test_an_address_is_no_place() -> None:
    """What was not started through a server has no place, and is not worked on by one."""
    for written in ("s3://bucket/x", "/etc/passwd", "-", "places:docs/a", ""):
        assert read_within(written) is None
        with pytest.raises(InferenceError):
            NamedPlaces(PLACES).source(written)


@pytest.mark.parametrize(
    ("base", "path", "whole"),
    [
        ("/srv/docs", "a/b", "/srv/docs/a/b"),
        ("/srv/docs/", "a/", "/srv/docs/a/"),
        ("s3://bucket/x?format=jsonl", "a", "s3://bucket/x/a?format=jsonl"),
        ("https://me:${PW}@search:9200?semantic=body", "index", "https://me:${PW}@search:9200/index?semantic=body"),
        ("postgresql://me:${PW}@db/one?sslmode=require", "t", "postgresql://me:${PW}@db/one?sslmode=require&table=t"),
        ("lancedb+s3://bucket/x", "t", "lancedb+s3://bucket/x?table=t"),
    ],
)
def test_a_path_is_what_the_sort_of_its_place_says(base: str, path: str, whole: str) -> None:
    """A file, an index or a table; references and parameters stay as the configuration has them."""
    assert joined(base, path) == whole


def test_a_place_has_its_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """No value of a variable is put into the address that a job works with."""
    monkeypatch.setenv("PW", "secret")
    place = NamedPlaces(PLACES)
    assert place.sink("place:vectors/docs") == "postgresql://me:${PW}@db/one?sslmode=require&table=docs"


def test_addresses_are_told_by_names() -> None:
    """An error has the name of a place where an address stands in it; the longest address goes first."""
    text = "[s3://bucket/all/x.parquet] and [s3://bucket/y] and [postgresql://me:${PW}@db/one/t?sslmode=require]"
    assert (
        NamedPlaces(PLACES).hidden(text)
        == "[place:docs/x.parquet] and [place:root/y] and [place:vectors/t?sslmode=require]"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place, something outside of it, and links of every sort."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.jsonl").touch()
    place = tmp_path / "place"
    (place / "inner/deeper").mkdir(parents=True)
    (place / "a.jsonl").touch()
    links = {
        "out.jsonl": "../outside/secret.jsonl",
        "out": "../outside",
        "absolute": str(tmp_path / "outside"),
        "gone.jsonl": "../outside/new.jsonl",
        "round": "round",
        "inner/deeper/out": "../../../outside",
        "same.jsonl": "a.jsonl",
    }
    for name, target in links.items():
        (place / name).symlink_to(target)
    return place


@pytest.mark.parametrize(
    ("path", "stays"),
    [
        ("a.jsonl", True),
        ("same.jsonl", True),
        ("new.jsonl", True),
        ("new/folder/", True),
        ("out.jsonl", False),
        ("out/secret.jsonl", False),
        ("out/", False),
        ("absolute/secret.jsonl", False),
        ("gone.jsonl", False),
        ("round", False),
        ("inner/", False),
        ("inner/*.jsonl", False),
        ("inner/deeper/x.jsonl", True),
        ("*.jsonl", False),
    ],
)
def test_no_link_leads_out_of_a_folder(folder: Path, path: str, *, stays: bool) -> None:
    """Neither of a file, nor of a folder on the way, nor below what is read as a whole; one inside may stay."""
    places = NamedPlaces({"place": Place(address=str(folder), use=SOURCE)})
    if stays:
        assert places.source(f"place:place/{path}") == f"{folder}/{path}"
        return
    with pytest.raises(InferenceError) as caught:
        places.source(f"place:place/{path}")
    assert caught.value.kind is Kind.FORBIDDEN
    assert str(folder) not in str(caught.value)
