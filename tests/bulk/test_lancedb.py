from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sinks_promised import SPACE, Place, Promises, done, numbers, row, texts_of

from inferpoint.bulk.job import Space
from inferpoint.bulk.sinks.sink import Part, Row
from inferpoint.errors import InferenceError, Kind

lancedb = pytest.importorskip("lancedb", reason="`make test` installs LanceDB in .venvs/bulk")


class Table(Place):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"lancedb://{folder}?table=documents"

    def rows(self) -> list[dict[str, Any]]:
        rows = lancedb.connect(self.folder).open_table("documents").to_arrow().to_pylist()
        return [{**one, **msgspec.json.decode(one.get("fields") or "{}")} for one in rows]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Table]:
    place = Table(tmp_path / "db")
    yield place
    place.close()


class TestTable(Promises):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Table(tmp_path / "db")


def test_the_nearest_text_is_found(place: Table) -> None:
    """By LanceDB itself."""
    sink = place.sink()
    sink.open(SPACE)
    sink.finish([sink.write(Part(0, 0, 1), [row(name) for name in "abcdef"])])
    table = lancedb.connect(place.folder).open_table("documents")
    assert [one["id"] for one in table.search(numbers("text of d")).limit(1).to_list()] == ["d"]


@pytest.mark.parametrize("element", ["byte", "bit", "weights", "text"])
def test_a_value_of_any_kind_is_kept(place: Table, element: str) -> None:
    """Signed bytes as halves and bits as bytes, which it can search; weights of tokens; what a model wrote."""
    sink = place.sink()
    sink.open(Space("model", {"byte": 3, "bit": 24}.get(element), None, element))
    value: Any = {"weights": {"a": 0.5, "ü": 2.0}, "text": "A 'text'"}.get(element, msgspec.Raw(b"[1,-128,127]"))
    sink.write(Part(0, 0, 1), [Row("a", "a", "t", value)])
    (one,) = place.rows()
    held = one[{"weights": "weights", "text": "completion"}.get(element, "embedding")]
    if element == "weights":
        assert dict(held) == value
    else:
        assert held == {"text": value, "byte": [1, -128, 127], "bit": [1, 128, 127]}[element]


def test_a_table_of_somebody_else_is_refused(place: Table) -> None:
    """What no job made has vectors of a space that nobody knows."""
    lancedb.connect(place.folder).create_table("documents", [{"id": "mine", "embedding": [1.0]}])
    with pytest.raises(InferenceError, match="made by no job") as raised:
        place.sink().open(SPACE)
    assert raised.value.kind is Kind.INVALID


def test_two_processes_write_one_table(place: Table) -> None:
    """What the one has written the other does not undo."""
    sinks = [place.sink(), place.sink()]
    for sink in sinks:
        sink.open(SPACE)
    receipts = [sinks[turn % 2].write(Part(turn, 0, 1), [row(str(turn)), row("same")]) for turn in range(6)]
    assert done(place, sinks[0], receipts) == texts_of(*(row(str(turn)) for turn in range(6)), row("same"))
