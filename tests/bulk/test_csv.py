from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import TEXT, WHOLE, read

from inferpoint.bulk.sources import delimited
from inferpoint.bulk.sources.opening import opened
from inferpoint.bulk.sources.source import Item
from inferpoint.errors import InferenceError

ROWS = [(f"d{number}", f'a, "quoted" text\nof {number} lines\r\n\n', "en") for number in range(10)]  # fmt: skip
ITEMS = [Item(text, identity, {"lang": lang}) for identity, text, lang in ROWS]


def written(rows: list[tuple[str, ...]], names: tuple[str, ...] = ("id", "text", "lang"), **how: object) -> bytes:
    """Rows as Python's csv writes them."""
    content = io.StringIO(newline="")
    csv.writer(content, **how).writerows([names, *rows])  # type: ignore[arg-type]
    return content.getvalue().encode()


@pytest.mark.parametrize("most", [1, 3, 2048])
@pytest.mark.parametrize(
    "content",
    [
        written(ROWS),
        written(ROWS, lineterminator="\n"),
        written(ROWS).rstrip(),
        b"\xef\xbb\xbf" + written(ROWS, quoting=csv.QUOTE_ALL),
        written(ROWS, delimiter=";"),
        written(ROWS, delimiter="\t"),
        written(ROWS).replace(b"\r\nd", b"\r\n\r\n\r\nd"),
    ],
    ids=["CRLF", "LF", "no line end at the end", "BOM and quotes", "semicolons", "tabs", "blank lines"],
)
def test_every_row_is_an_item(tmp_path: Path, content: bytes, most: int) -> None:
    """With line ends in quotes, wherever it is cut."""
    (path := tmp_path / "docs.csv").write_bytes(content)
    assert read(path, WHOLE, most) == ITEMS


@pytest.mark.parametrize("content", [b"", b"id,text,lang", b"id,text,lang\r\n\r\n\r\n", b"\xef\xbb\xbfid,text,lang\n"])
def test_a_file_without_rows_has_no_spans(tmp_path: Path, content: bytes) -> None:
    """With its names, and without."""
    (path := tmp_path / "docs.csv").write_bytes(content)
    assert read(path) == []


def test_columns_may_be_more_and_in_any_order(tmp_path: Path) -> None:
    """Of those that are not asked for nothing is taken, and dots in names are only dots."""
    (path := tmp_path / "docs.tsv").write_text("x\ttext\tlang\tid\ta.b\n1\tone\ten\t0\t2\n")
    assert read(path) == [Item("one", "0", {"lang": "en"})]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (b"x,y", "The row has 2 fields and not 3: x,y"),
        (b"x,y,z,", "The row has 4 fields and not 3: x,y,z,"),
        (b"x,\xff\xe9,z", r"[text] is not UTF-8: \xff\xe9"),
        (b'x,"y"z,en', "The row cannot be read (',' expected after '\"')"),
        (b",y,z", "[id] is empty"),
    ],
    ids=["few", "many", "not UTF-8", "quotes", "no id"],
)
def test_a_row_that_is_not_readable_is_an_item_with_a_problem(tmp_path: Path, row: bytes, problem: str) -> None:
    """Its neighbours are read."""
    (path := tmp_path / "docs.csv").write_bytes(b"id,text,lang\na,b,c\n" + row + b"\nd,e,f\n")
    before, broken, after = read(path)
    assert [before, after] == [Item("b", "a", {"lang": "c"}), Item("e", "d", {"lang": "f"})]
    assert broken.problem == f"from byte 19 on: {problem}"
    assert broken.text == ""


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"id,body\n1,x\n", r"There must be one column \[text\], and there are \[id\], \[body\]"),
        (b"text,text\n1,x\n", r"There must be one column \[text\], and there are \[text\], \[text\]"),
        (b'text\n"a\nb\nc\n', "A quote in the row from byte 5 on is not closed"),
        (b'text\n"a' + b"\n" * (1 << 20), "The row from byte 5 on is longer than 1 MiB: perhaps a quote in it"),
        (b"text\n" + b"a" * (1 << 21), "The row from byte 5 on is longer than 1 MiB"),
        ("text\nx".encode("utf-16"), "The file is UTF-16, and only UTF-8 is read"),
        (b"x," * (1 << 20) + b"text\n1", "The row of names cannot be read: it is longer than 1 MiB"),
        (b'te"xt",x"\n1', "There must be one column"),
        (b'"te"xt\n1', "The row of names cannot be read"),
    ],
    ids=["other", "twice", "open", "open for long", "one line", "UTF-16", "long names", "odd names", "quotes in names"],
)
def test_what_no_row_can_be_told_from_is_refused_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, problem: str
) -> None:
    """A quote that is not closed would hide all rows behind it, so nothing is planned."""
    monkeypatch.setattr(delimited, "RECORD_BYTES", 3 << 20 if b"x,x," in content else 1 << 20)
    (path := tmp_path / "docs.csv").write_bytes(content)
    with pytest.raises(InferenceError, match=problem):
        list(opened(str(path), TEXT).spans(10))


def test_a_row_of_five_megabytes_is_read(tmp_path: Path) -> None:
    """Python's own bound of a field is smaller."""
    (path := tmp_path / "docs.csv").write_bytes(written([("1", "x" * 5_000_000, "en"), ("2", "y", "en")]))
    assert [len(item.text) for item in read(path)] == [5_000_000, 1]


FIELDS = st.text(st.characters(codec="utf-8"), min_size=1)


@given(st.lists(st.tuples(FIELDS, FIELDS, FIELDS)), st.sampled_from(["\n", "\r\n"]), st.integers(1, 4))
def test_what_python_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], end: str, most: int
) -> None:
    """Whatever the fields hold, and however rows are cut."""
    path = tmp_path_factory.mktemp("any") / "docs.csv"
    path.write_bytes(written(rows, lineterminator=end, quoting=csv.QUOTE_ALL))
    assert read(path, WHOLE, most) == [Item(text, identity, {"lang": lang}) for identity, text, lang in rows]
