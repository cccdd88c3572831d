"""A table of LanceDB, in a folder or a bucket."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from typing_extensions import override

from inferpoint.bulk.addresses import Address
from inferpoint.bulk.job import Space
from inferpoint.bulk.sinks import columns
from inferpoint.bulk.sinks.sink import Part, Receipt, Row, Sink
from inferpoint.bulk.sinks.spaces import agreeing, by_document, fitting
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.extras import extra

_NUMBERS = {"float": "float32", "byte": "float16", "bit": "uint8"}  # what it can search
_ENCODER = msgspec.json.Encoder(enc_hook=str)


class LanceSink(Sink):
    """Rows by their ids; what was kept is JSON text. One thread at a time writes, as each part is a version."""

    def __init__(self, place: Address, table: str, *, chunked: bool, kept: bool) -> None:
        self._name, self._chunked, self._kept = table, chunked, kept
        self._arrow = extra("pyarrow", of="lancedb")
        remote = place.scheme.partition("+")[2]
        uri = f"{remote}://{place.host}{place.path}" if remote else place.host + place.path
        with _worded():
            # Every version that another process has written is seen.
            self._database = extra("lancedb", of="lancedb").connect(uri, read_consistency_interval=timedelta(0))
        self._lock = threading.Lock()
        self._table: Any = None
        self._space: Space | None = None

    @override
    def open(self, space: Space) -> None:
        self._space = space
        schema = self._schema(space)
        with _worded():
            try:
                self._table = self._database.open_table(self._name)
            except ValueError:  # there is none
                self._table = self._database.create_table(self._name, schema=schema, exist_ok=True)
            held = self._table.schema
            told: bytes | None = held.metadata[columns.SPACE] if columns.SPACE in (held.metadata or ()) else None
            if told is None:
                raise invalid(f"The table [{self._name}] was made by no job: name another one")
            agreeing(self._name, msgspec.json.decode(told), space)
            if held.names != schema.names:
                raise invalid(f"The table [{self._name}] has the columns {held.names}, and not {schema.names}")
            if not self._table.list_indices():
                self._table.create_index("id", config=extra("lancedb.index", of="lancedb").BTree())

    def _schema(self, space: Space) -> Any:
        fields = columns.own_fields(space, chunked=self._chunked, numbers=_NUMBERS)
        kept = [self._arrow.field("fields", self._arrow.large_string())] if self._kept else []
        return self._arrow.schema([*fields, *kept], columns.about(space))

    @override
    def write(self, part: Part, rows: Sequence[Row]) -> Receipt:
        assert self._space is not None, "a sink is opened before it is written"
        rows, rejected = fitting(rows, self._space)
        items = by_document(rows)
        rows = [row for of_item in items.values() for row in of_item]
        if rows:
            schema = self._schema(self._space)
            arrays = [
                self._arrow.array([_ENCODER.encode(row.fields).decode() for row in rows], field.type)
                if field.name == "fields"
                else columns.own_column(rows, field, self._space)
                for field in schema
            ]
            content = self._arrow.table(arrays, schema)
            with self._lock, _worded():
                if self._chunked:
                    self._table.delete(_too_many([*items.values()]))
                merging = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
                merging.execute(content)
        return Receipt(len(rows), rejected=rejected)

    @override
    def finish(self, receipts: Sequence[Receipt]) -> None:
        with self._lock, _worded():
            self._table.optimize()

    @override
    def ids(self, receipts: Sequence[Receipt]) -> Iterator[str]:
        with _worded():
            for batch in self._table.search().select(["id"]).to_batches():
                yield from batch.column("id").to_pylist()


def _too_many(items: Sequence[Sequence[Row]]) -> str:
    """What tells the rows of the documents of *items* that have higher numbers than any of theirs."""
    by_count: dict[int, list[str]] = defaultdict(list)
    for rows in items:
        by_count[len(rows)].append("'" + rows[0].document.replace("'", "''") + "'")
    return " OR ".join(
        f"(chunk >= {count} AND document IN ({', '.join(documents)}))" for count, documents in by_count.items()
    )


@contextlib.contextmanager
def _worded() -> Generator[None]:
    try:
        yield
    except (RuntimeError, OSError) as error:
        words = str(error).partition("\n")[0][:500]
        kind = Kind.OVERLOADED if "No space left" in words else Kind.CUT_OFF
        raise InferenceError(kind, f"LanceDB: {words}") from None
    except ValueError as error:
        raise invalid(f"LanceDB: {str(error).partition(chr(10))[0][:500]}") from None
