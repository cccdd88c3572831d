"""What every sink promises: a class of tests, for which a subclass has the fixture `place`, with nothing in it yet."""

from __future__ import annotations

import base64
import json
import random
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from inferpoint.bulk.job import Space
from inferpoint.bulk.sinks.opening import opened
from inferpoint.bulk.sinks.sink import Part, Receipt, Row, Sink
from inferpoint.errors import InferenceError, Kind

WIDE = 8
SPACE = Space("all-minilm", WIDE, "cosine")
ODD = ["", "#", "ünï-ço∂é 🦜", "a'b\"c\\d", "x" * 200, "${HOME}", "\t", "{}", "null", "../up", "%s"]


class Place(ABC):
    """Somewhere a sink can be, and how others read it."""

    address: str
    _sinks: Sequence[Sink] = ()

    def sink(self, *, chunked: bool = False, kept: tuple[str, ...] = (), job: str = "job") -> Sink:
        """A sink that is here, closed when the test is over."""
        self._sinks = [*self._sinks, opened(self.address, chunked, kept, job)]
        return self._sinks[-1]

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """All rows, each with `id`, `text`, `embedding` and what was kept; of chunks also `document` and `chunk`."""


def numbers(text: str) -> list[float]:
    """A vector of 32-bit numbers that is a text's alone."""
    drawn = random.Random(text)
    return as_floats([drawn.gauss(0, 0.1) for _ in range(WIDE)])


def as_floats(values: Sequence[float]) -> list[float]:
    """Numbers as 32 bits hold them."""
    return [*struct.unpack(f"<{len(values)}f", struct.pack(f"<{len(values)}f", *values))]


def vector(text: str) -> msgspec.Raw:
    """Of half of all texts as JSON, of the others as base64."""
    if len(text) % 2:
        return msgspec.Raw(json.dumps(numbers(text)).encode())
    return msgspec.Raw(b'"' + base64.b64encode(struct.pack(f"<{WIDE}f", *numbers(text))) + b'"')


def row(own_id: str, text: str | None = None, **fields: Any) -> Row:
    text = f"text of {own_id}" if text is None else text
    return Row(own_id, own_id, text, vector(text), fields=fields)


def chunks(document: str, count: int) -> list[Row]:
    """Of a text that they cover, of which each begins with the end of the one before."""
    whole, rows = "", list[Row]()
    for number in range(count):
        start = max(0, len(whole) - 3)
        whole += f"{document}, 🦜 piece {number} of {count}. "
        text = whole[start:]
        rows.append(Row(f"{document}#{number}", document, text, vector(text), number, start, len(whole)))
    return rows


def held(place: Place) -> dict[str, str]:
    """The texts of all rows by their ids, of which each is there once, with the vector that is its own."""
    rows = place.rows()
    texts = {one["id"]: one["text"] for one in rows}
    assert len(texts) == len(rows)
    for one in rows:
        assert as_floats(one["embedding"]) == numbers(one["text"]), one["id"]
    return texts


def texts_of(*rows: Row) -> dict[str, str]:
    return {one.id: one.text for one in rows}


def done(place: Place, sink: Sink, receipts: Sequence[Receipt]) -> dict[str, str]:
    """What is held when all is done, of which the sink gives each id once."""
    sink.finish(receipts)
    texts = held(place)
    assert sorted(sink.ids(receipts)) == sorted(texts)
    return texts


class Promises:
    @pytest.fixture
    def place(self) -> Place:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _closed(self, place: Place) -> Iterator[None]:
        yield
        place.close()

    def test_every_row_is_there(self, place: Place) -> None:
        """With its text and its vector, whatever signs its id has, and whether the vector came as JSON or as base64."""
        sink = place.sink()
        sink.open(SPACE)
        rows = [row(f"{odd}-{number}", f"{number} {odd}") for number, odd in enumerate(ODD)]
        receipts = [sink.write(Part(0, 0, 1), rows[:4]), sink.write(Part(0, 4, 1), rows[4:])]
        assert [receipt.rows for receipt in receipts] == [4, len(rows) - 4]
        assert done(place, sink, receipts) == texts_of(*rows)

    def test_a_large_text_is_there_whole(self, place: Place) -> None:
        """Of 5 MB, with signs of every width."""
        sink = place.sink()
        sink.open(SPACE)
        large = row("large", "ünï🦜 " * 500_000)
        assert done(place, sink, [sink.write(Part(0, 0, 1), [large, row("small")])]) == texts_of(large, row("small"))

    def test_a_part_without_rows_is_nothing(self, place: Place) -> None:
        """No row is written, and the sink is finished as any other."""
        sink = place.sink()
        sink.open(SPACE)
        receipts = [sink.write(Part(0, 0, 1), []), sink.write(Part(0, 8, 1), [row("a")])]
        assert receipts[0].rows == 0
        assert done(place, sink, receipts) == texts_of(row("a"))

    def test_a_sink_of_nothing_is_finished(self, place: Place) -> None:
        """A job without items ends as any other."""
        sink = place.sink()
        sink.open(SPACE)
        assert done(place, sink, []) == {}

    def test_a_part_may_be_written_twice(self, place: Place) -> None:
        """By one attempt or by two, each row is there once."""
        sink = place.sink()
        sink.open(SPACE)
        rows = [row("a"), row("b")]
        receipts = [sink.write(Part(0, 0, attempt), rows) for attempt in (1, 1, 2)]
        assert done(place, sink, receipts[-1:]) == texts_of(*rows)

    def test_what_nobody_wrote_down_does_not_count(self, place: Place) -> None:
        """A process that was killed after it wrote has left rows, which another writes again: some more, some less."""
        sink = place.sink()
        sink.open(SPACE)
        sink.write(Part(3, 0, 1), [row("a", "of the killed"), row("b", "of the killed")])
        again = place.sink()
        again.open(SPACE)
        rows = [row("a", "of the next"), row("b", "of the next one")]
        receipts = [again.write(Part(3, 0, 2), rows[:1]), again.write(Part(3, 1, 2), rows[1:])]
        assert done(place, again, receipts) == texts_of(*rows)

    def test_who_comes_late_does_no_harm(self, place: Place) -> None:
        """A part of an attempt that was given up is written after its successor's."""
        sink = place.sink()
        sink.open(SPACE)
        receipts = [sink.write(Part(0, 0, 2), [row("a"), row("b")])]
        sink.write(Part(0, 0, 1), [row("a"), row("b")])
        assert done(place, sink, receipts) == texts_of(row("a"), row("b"))

    def test_parts_are_written_at_once(self, place: Place) -> None:
        """By several threads, each row is there once."""
        sink = place.sink()
        sink.open(SPACE)
        rows = [[row(f"{shard}-{number}") for number in range(20)] for shard in range(6)]
        with ThreadPoolExecutor(3) as threads:
            receipts = list(threads.map(lambda shard: sink.write(Part(shard, 0, 1), rows[shard]), range(6)))
        assert done(place, sink, receipts) == texts_of(*(one for several in rows for one in several))

    def test_items_that_do_not_fit_are_told(self, place: Place) -> None:
        """A document with a vector of another length is rejected in words, all of it, and the others are there."""
        sink = place.sink()
        sink.open(SPACE)
        short = Row("short", "short", "x", msgspec.Raw(b"[1.0,2.0]"))
        receipt = sink.write(Part(0, 0, 1), [row("a"), short, row("b")])
        assert receipt.rows == 2
        assert list(receipt.rejected) == ["short"]
        assert "2 numbers" in receipt.rejected["short"]
        nothing = sink.write(Part(0, 3, 1), [short])
        assert (nothing.rows, list(nothing.rejected)) == (0, ["short"])
        assert done(place, sink, [receipt, nothing]) == texts_of(row("a"), row("b"))

    def test_a_document_has_the_chunks_of_its_last_part(self, place: Place) -> None:
        """Of a document that has fewer chunks than before the others go, and its neighbours keep theirs."""
        sink = place.sink(chunked=True)
        sink.open(SPACE)
        sink.write(Part(0, 0, 1), [*chunks("a", 4), *chunks("b", 3), *chunks("c", 1)])
        rows = [*chunks("a", 2), *chunks("b", 3), *chunks("c", 2)]
        assert done(place, sink, [sink.write(Part(0, 0, 2), rows)]) == texts_of(*rows)
        assert {one["id"]: (one["document"], one["chunk"]) for one in place.rows()} == {
            one.id: (one.document, one.chunk) for one in rows
        }

    def test_a_sink_goes_on_after_it_is_finished(self, place: Place) -> None:
        """What failed before is written later, and finishing twice changes nothing."""
        sink = place.sink()
        sink.open(SPACE)
        receipts = [sink.write(Part(0, 0, 1), [row("a"), row("b")]), sink.write(Part(1, 0, 1), [row("c")])]
        assert done(place, sink, receipts) == done(place, sink, receipts)
        later = place.sink()
        later.open(SPACE)
        receipts.append(later.write(Part(2, 0, 1), [row("d")]))
        assert done(place, later, receipts) == texts_of(*map(row, "abcd"))
        assert done(place, later, receipts) == texts_of(*map(row, "abcd"))

    @pytest.mark.parametrize(
        ("other", "word"),
        [
            (Space("another", WIDE, "cosine"), "model"),
            (Space("all-minilm", 16, "cosine"), "dimensions"),
            (Space("all-minilm", WIDE, "dot_product"), "similarity"),
            (Space("all-minilm", WIDE, "cosine", "byte"), "element"),
        ],
    )
    def test_a_sink_holds_one_space(self, place: Place, other: Space, word: str) -> None:
        """Whoever comes with vectors of another one is told what is different, and everything stays as it was."""
        sink = place.sink()
        sink.open(SPACE)
        receipts = [sink.write(Part(0, 0, 1), [row("a")])]
        with pytest.raises(InferenceError, match=rf"\b{word}\b") as raised:
            place.sink().open(other)
        assert raised.value.kind is Kind.INVALID
        again = place.sink()
        again.open(SPACE)
        assert done(place, again, receipts) == texts_of(row("a"))

    def test_what_was_kept_is_there(self, place: Place) -> None:
        """Also where it is missing, and where its type is another one in another part."""
        sink = place.sink(kept=("title", "year", "tags.first"))
        sink.open(SPACE)
        parts: list[list[Mapping[str, Any]]] = [
            [{"title": None, "year": 1999, "tags.first": True}, {}],
            [{"title": "Ünï", "year": 2000, "tags.first": False}, {"title": "x"}],
        ]
        receipts: list[Receipt] = []
        for shard, several in enumerate(parts):
            rows = [row(f"{shard}-{number}", **fields) for number, fields in enumerate(several)]
            receipts.append(sink.write(Part(shard, 0, 1), rows))
        done(place, sink, receipts)
        kept = {one["id"]: {name: one.get(name) for name in ("title", "year", "tags.first")} for one in place.rows()}
        empty = {"title": None, "year": None, "tags.first": None}
        assert kept == {
            f"{shard}-{number}": {**empty, **fields}
            for shard, several in enumerate(parts)
            for number, fields in enumerate(several)
        }
