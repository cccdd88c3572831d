"""How rows become documents of Elasticsearch: a document each, or one for an item as `semantic_text` stores it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from typing_extensions import override

from inferpoint.bulk import vectors
from inferpoint.bulk.job import Space
from inferpoint.bulk.sinks.sink import Row
from inferpoint.bulk.sinks.spaces import is_vectors, text, value_name, weights
from inferpoint.errors import invalid

Properties = Mapping[str, Mapping[str, Any]]
Document = tuple[str, Mapping[str, Any]]  # its id and its members

COUNT = "chunks"  # the member that says how many rows an item has
_WIDE = "\U00010000"  # characters from here on are two units of UTF-16


class Form(ABC):
    """What documents are like; `by_chunk` tells that an item has several."""

    by_chunk: bool

    @abstractmethod
    def properties(self, space: Space, held: Properties) -> Properties:
        """The fields that are missing beside those that are *held*; `INVALID` where one of them is something else."""

    @abstractmethod
    def documents(self, rows: Sequence[Row], space: Space) -> list[Document]:
        """The documents of the rows of one item, of which the first has their count."""

    @abstractmethod
    def ids(self, document: str, count: int | None) -> Iterable[str]:
        """The ids of the rows that the document of that id has, which has that *count*."""


class Rows(Form):
    """A document a row, with the value in *field*."""

    def __init__(self, field: str | None, *, chunked: bool) -> None:
        self._field, self._chunked = field, chunked
        self.by_chunk = chunked

    @override
    def properties(self, space: Space, held: Properties) -> Properties:
        field = self._field or value_name(space)
        wanted: dict[str, Mapping[str, Any]] = {"text": {"type": "text"}, field: _mapping(space)}
        if self._chunked:
            wanted |= {"document": {"type": "keyword"}}
            wanted |= {name: {"type": "integer"} for name in ("chunk", "start", "end", COUNT)}
        for name, value in wanted[field].items():
            if field in held and held[field].get(name, value) != value:
                raise invalid(f"The {name} of the field [{field}] is [{held[field][name]}], and [{value}] is needed")
        return {name: mapping for name, mapping in wanted.items() if name not in held}

    @override
    def documents(self, rows: Sequence[Row], space: Space) -> list[Document]:
        field = self._field or value_name(space)
        return [
            (row.id, {**row.fields, **self._of_chunk(row, len(rows)), "text": row.text, field: value})
            for row, value in zip(rows, _values(rows, space), strict=True)
        ]

    def _of_chunk(self, row: Row, count: int) -> Mapping[str, Any]:
        if not self._chunked:
            return {}
        own = {"document": row.document, "chunk": row.chunk, "start": row.start, "end": row.end}
        return own if row.chunk else {**own, COUNT: count}

    @override
    def ids(self, document: str, count: int | None) -> Iterable[str]:
        return (document,)


class Semantic(Form):
    """A document an item, with its whole text in *field* and its chunks where Elasticsearch's own inference has them.

    Elasticsearch takes them as they are, and does no inference: a field that is in `_inference_fields` has had it.
    """

    by_chunk = False

    def __init__(self, field: str, inference_id: str | None, *, chunked: bool) -> None:
        self._field, self._inference_id, self._chunked = field, inference_id, chunked

    @override
    def properties(self, space: Space, held: Properties) -> Properties:
        if space.element == "text":
            raise invalid(f"The field [{self._field}] of semantic_text holds embeddings, and no texts of a model")
        missing: dict[str, Mapping[str, Any]] = {} if COUNT in held else {COUNT: {"type": "integer"}}
        if self._field not in held:
            if self._inference_id is None:
                raise invalid(
                    f"There is no field [{self._field}]: name the endpoint that it is to have by ?inference_id="
                )
            return {**missing, self._field: {"type": "semantic_text", "inference_id": self._inference_id}}
        if (kind := held[self._field].get("type")) != "semantic_text":
            raise invalid(f"The field [{self._field}] is of the type [{kind}], and must be of [semantic_text]")
        if self._inference_id not in (None, held[self._field].get("inference_id")):
            raise invalid(f"The field [{self._field}] has the endpoint [{held[self._field].get('inference_id')}]")
        self._inference_id = held[self._field].get("inference_id")
        return missing

    @override
    def documents(self, rows: Sequence[Row], space: Space) -> list[Document]:
        whole = _joined(rows)
        starts = _in_units(whole, (row.start or 0 for row in rows))
        ends = _in_units(whole, (len(whole) if row.end is None else row.end for row in rows))
        chunks = [
            {"start_offset": start, "end_offset": end, "embeddings": value}
            for start, end, value in zip(starts, ends, _values(rows, space), strict=True)
        ]
        inference = {
            "inference_id": self._inference_id,
            "model_settings": _model_settings(space),
            "chunks": {self._field: chunks},
        }
        members = {
            **rows[0].fields,
            self._field: whole,
            COUNT: len(rows),
            "_inference_fields": {self._field: {"inference": inference}},
        }
        return [(rows[0].document, members)]

    @override
    def ids(self, document: str, count: int | None) -> Iterable[str]:
        return (f"{document}#{number}" for number in range(count or 0)) if self._chunked else (document,)


def _mapping(space: Space) -> Mapping[str, Any]:
    if not is_vectors(space):
        return {"type": "sparse_vector" if space.element == "weights" else "text"}
    told = {"dims": space.dimensions, "similarity": space.similarity, "element_type": space.element}
    return {"type": "dense_vector", **{name: value for name, value in told.items() if value is not None}}


def _model_settings(space: Space) -> Mapping[str, Any]:
    if space.element == "weights":
        return {"task_type": "sparse_embedding"}
    similarity = space.similarity or ("l2_norm" if space.element == "bit" else "cosine")  # as the field has it itself
    return {
        "task_type": "text_embedding",
        "dimensions": space.dimensions,
        "similarity": similarity,
        "element_type": space.element,
    }


def _values(rows: Sequence[Row], space: Space) -> Iterator[Any]:
    values = [row.value for row in rows]
    if is_vectors(space):
        return iter(vectors.as_json(values))
    if space.element == "text":
        return map(text, values)
    # No name of a feature may have a dot: this is how Elasticsearch's own models write it.
    return ({token.replace(".", "__"): weight for token, weight in weights(value).items()} for value in values)


def _joined(rows: Sequence[Row]) -> str:
    """The text that the chunks of an item are of, which overlap."""
    whole = ""
    for row in rows:
        whole += row.text[len(whole) - (row.start or 0) :]
    return whole


def _in_units(whole: str, offsets: Iterable[int]) -> list[int]:
    """Offsets in units of UTF-16, as Java counts."""
    has_wide = max(whole, default="") >= _WIDE
    wide = [place for place, character in enumerate(whole) if character >= _WIDE] if has_wide else []
    return [offset + bisect_left(wide, offset) for offset in offsets]
