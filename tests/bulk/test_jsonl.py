from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import TEXT, WHOLE, read, texts

from inferpoint.bulk.sources import jsonl
from inferpoint.bulk.sources.jsonl import JsonLines
from inferpoint.bulk.sources.opening import opened
from inferpoint.bulk.sources.source import Fields, Item
from inferpoint.errors import InferenceError, Kind

DOCUMENTS = [{"id": f"d{number}", "text": f"text {number}", "lang": "en", "more": [1, {}]} for number in range(10)]
ITEMS = [Item(f"text {number}", f"d{number}", {"lang": "en"}) for number in range(10)]
LINES = [json.dumps(document).encode() for document in DOCUMENTS]


@pytest.mark.parametrize("most", [1, 3, 10, 2048])
@pytest.mark.parametrize(
    "content",
    [
        b"\n".join(LINES),
        b"\n".join(LINES) + b"\n",
        b"\r\n".join(LINES) + b"\r\n",
        b"\xef\xbb\xbf" + b"\n".join(LINES),
        b"\n\n \t\r\n" + b"\n\n\n".join(LINES) + b"\n\n\n",
    ],
    ids=["no newline at the end", "newlines", "CRLF", "BOM", "blank lines"],
)
def test_every_line_is_an_item(tmp_path: Path, content: bytes, most: int) -> None:
    """However lines end, in order, cut anywhere."""
    (path := tmp_path / "docs.jsonl").write_bytes(content)
    assert read(path, WHOLE, most) == ITEMS


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"\n" * 1_000_000])
def test_a_file_of_nothing_has_no_spans(tmp_path: Path, content: bytes) -> None:
    """Not even where it has a million empty lines."""
    (path := tmp_path / "docs.ndjson").write_bytes(content)
    assert read(path) == []


def test_a_line_may_be_a_text_alone(tmp_path: Path) -> None:
    """An item then has no id, and the job gives it one."""
    (path := tmp_path / "docs.jsonl").write_text('"one"\n{"text": "two"}\n"drei ä"\n')
    assert read(path, TEXT) == [Item("one"), Item("two"), Item("drei ä")]


def test_fields_may_be_in_others(tmp_path: Path) -> None:
    """A dotted name leads to them, unless a field is called so itself."""
    first = {"doc": {"body": {"text": "one"}, "no": 7}, "tags": ["a"]}
    second = {"doc.body.text": "two", "doc": {"no": 8}, "tags": None}
    (path := tmp_path / "docs.jsonl").write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    fields = Fields("doc.body.text", "doc.no", ("tags",))
    assert read(path, fields) == [Item("one", "7", {"tags": ["a"]}), Item("two", "8", {"tags": None})]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"id": "x", "text": "y", "lang"', "The line is no JSON object or text"),
        (b"plain words", "The line is no JSON object or text"),
        (b"[1]", "Expected `str | object`, got `array`): [1]"),
        (b'{"id": "x", "text": "y", "lang": NaN}', "The line is no JSON object or text"),
        (b'{"id": "x", "text": "\xff", "lang": ""}', r'{"id": "x", "text": "\xff", "lang": ""}'),
        (b'{"id": "x", "text": "\\ud800", "lang": ""}', "The line is no JSON object or text"),
        (b'{"id":' * 100_000, "The line is no JSON object or text"),
        (b"\x00\x1b[2J" * 10_000, r"\x00\x1b[2J\x00\x1b[2J"),
        (b'{"id": "x", "lang": ""}', "The record has no field [text]; it has [id], [lang]"),
        (b'{"id": "x", "text": 1, "lang": ""}', "[text] must be a text, not a number"),
        (b'{"id": "x", "text": ["y"], "lang": ""}', "[text] must be a text, not an array"),
        (b'{"id": null, "text": "y", "lang": ""}', "[id] must be a text or a whole number, not null"),
        (b'{"id": true, "text": "y", "lang": ""}', "[id] must be a text or a whole number, not a boolean"),
        (b'{"id": "", "text": "y", "lang": ""}', "[id] is empty"),
        (b'{"text": "y", "lang": ""}', "The record has no field [id]; it has [text], [lang]"),
    ],
    ids=[
        "cut off",
        "words",
        "array",
        "NaN",
        "not UTF-8",
        "half a surrogate pair",
        "deep",
        "bytes",
        "no text",
        "number",
        "texts",
        "id null",
        "id boolean",
        "id empty",
        "no id",
    ],
)
def test_a_line_that_is_not_readable_is_an_item_with_a_problem(tmp_path: Path, line: bytes, problem: str) -> None:
    """Its neighbours are read; the problem says where it is, in a line that a terminal shows."""
    (path := tmp_path / "docs.jsonl").write_bytes(b"\n".join([LINES[0], line, LINES[1]]))
    before, broken, after = read(path)
    assert [before, after] == ITEMS[:2]
    assert broken.problem
    assert broken.problem.startswith(f"from byte {len(LINES[0]) + 1} on: ")
    assert problem in broken.problem
    assert broken.text == ""
    assert len(broken.problem) < 300
    assert broken.problem.isprintable()


def test_a_text_of_nothing_is_no_problem_of_the_source(tmp_path: Path) -> None:
    """Null and an empty text are items without a text, for the job to say so; ids that are numbers are texts."""
    (path := tmp_path / "docs.jsonl").write_text(
        '{"id": 1, "text": null, "lang": 1}\n{"id": -2, "text": "", "lang": 2}\n'
    )
    assert read(path) == [Item("", "1", {"lang": 1}), Item("", "-2", {"lang": 2})]


def test_a_large_line_is_read_and_one_beyond_all_bounds_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of 5 MB is a span of its own; of one that is too long only the beginning is held."""
    large = json.dumps({"id": "l", "text": "x" * 5_000_000, "lang": ""}).encode()
    (path := tmp_path / "docs.jsonl").write_bytes(b"\n".join([LINES[0], large, large, LINES[1]]))
    source = opened(str(path), WHOLE)
    assert [span.items for span in source.spans(2048)] == [2, 2]
    assert [len(item.text) for item in read(path)] == [6, 5_000_000, 5_000_000, 6]
    monkeypatch.setattr(jsonl, "RECORD_BYTES", 1 << 20)
    first, broken, _, last = read(path)
    assert [first, last] == ITEMS[:2]
    assert broken.problem
    assert 'The line is longer than 1 MiB: {"id": "l", "text": "xxx' in broken.problem


def test_utf_16_is_told(tmp_path: Path) -> None:
    """As what it is."""
    (path := tmp_path / "docs.jsonl").write_text('{"text": "x"}', "utf-16")
    with pytest.raises(InferenceError, match=r"^\[docs.jsonl\]: The file is UTF-16, and only UTF-8 is read$"):
        read(path)


def test_a_file_that_changes_is_not_read_on(tmp_path: Path) -> None:
    """Neither by who has planned it, nor where a line is gone from it."""
    (path := tmp_path / "docs.jsonl").write_bytes(b"\n".join(LINES))
    source = opened(str(path), WHOLE)
    *_, last = source.spans(4)
    before = source.fingerprints()
    path.write_bytes(b"\n".join(LINES[:5]))
    with pytest.raises(InferenceError, match=r"^\[docs.jsonl\] has changed") as raised:
        list(source.read(last))
    assert raised.value.kind is Kind.CONFLICT
    anew = opened(str(path), WHOLE)
    assert anew.fingerprints() != before
    with pytest.raises(InferenceError, match=r"\[docs.jsonl\] has 0 items where 2 were planned") as raised:
        list(anew.read(last))
    assert raised.value.kind is Kind.UNREADABLE


TEXTS = st.text(st.characters(codec="utf-8")) | st.none() | st.integers()


@given(st.lists(TEXTS), st.sampled_from(["\n", "\r\n", "\n\n"]), st.integers(1, 5))
def test_what_python_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, values: list[object], end: str, most: int
) -> None:
    """Whatever texts there are, however escaped, and however lines are cut."""
    path = tmp_path_factory.mktemp("any") / "docs.jsonl"
    path.write_bytes("".join(json.dumps({"text": one}, ensure_ascii=bool(most % 2)) + end for one in values).encode())
    items = read(path, TEXT, most)
    assert [item.text for item in items] == [one if isinstance(one, str) else "" for one in values]
    assert [item.problem is not None for item in items] == [isinstance(one, int) for one in values]


def test_texts_are_counted_as_lines_are(tmp_path: Path) -> None:
    """Other characters that some call line ends are none."""
    (path := tmp_path / "docs.jsonl").write_text('"a\u2028b\u0085c"\n"d\x7f"\n', "utf-8")
    assert texts(path) == ["a\u2028b\u0085c", "d\x7f"]
    assert JsonLines(TEXT).item(b'"x"') == Item("x")
