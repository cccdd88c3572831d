"""A collection of Qdrant: a point a row, by the official client."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

import msgspec
from typing_extensions import override

from inferpoint.bulk import vectors
from inferpoint.bulk.addresses import Address
from inferpoint.bulk.job import Space
from inferpoint.bulk.sinks.sink import Part, Receipt, Row, Sink
from inferpoint.bulk.sinks.spaces import agreeing, by_document, fitting
from inferpoint.errors import InferenceError, Kind, invalid, kind_of_status
from inferpoint.extras import extra

SCHEMES = {"qdrant": "http", "qdrant+https": "https"}
_PORT = 6333
_NAMESPACE = UUID("6f3c1f4e-9f0a-5d0b-8f7e-0c5a2f1d7b61")  # of points' ids, which are UUIDs of rows' ids
_DISTANCES = {None: "Cosine", "cosine": "Cosine", "dot_product": "Dot", "l2_norm": "Euclid"}
_POINTS = 256  # of one request
_PAGE = 1000


class QdrantSink(Sink):
    """Points with the row's id, text and what was kept as their payload.

    Qdrant keeps vectors whose distance is the cosine with a length of 1.
    """

    def __init__(self, place: Address, *, chunked: bool) -> None:
        self._chunked = chunked
        self._local = not place.host
        self._collection = place.query.get("collection", "") if self._local else place.path.strip("/")
        if not self._collection:
            raise invalid(
                f"[{place.written}] must name a collection: qdrant://host:6333/documents, or for a folder"
                " qdrant:///folder?collection=documents"
            )
        where: dict[str, Any] = {"path": place.path, "force_disable_check_same_thread": True}
        if not self._local:
            port = "" if place.host.rpartition(":")[2].isdigit() else f":{_PORT}"
            where = {"url": f"{SCHEMES[place.scheme]}://{place.host}{port}", "api_key": place.query.get("api_key")}
        client = extra("qdrant_client", of="qdrant")
        self._models = extra("qdrant_client.models", of="qdrant")
        with _worded():
            self._client = client.QdrantClient(**where, timeout=60, check_compatibility=False)
        self._lock = threading.Lock() if self._local else contextlib.nullcontext()
        self._space: Space | None = None

    @override
    def open(self, space: Space) -> None:
        self._space = space
        if space.element not in ("float", "byte") or space.dimensions is None:
            raise invalid(f"Qdrant holds vectors of numbers, whose dimensions are known, and no [{space.element}]")
        with self._lock, _worded():
            if not self._client.collection_exists(self._collection):
                self._made(space, space.dimensions)
            told = self._client.get_collection(self._collection).config
            held: dict[str, Any] = told.metadata or {}
            agreeing(self._collection, held.get("inferpoint"), space)
            params = told.params.vectors
            if (params.size, params.distance) != (space.dimensions, self._distance(space)):
                held_there = f"vectors of {params.size} numbers with the distance {params.distance.value}"
                raise invalid(f"[{self._collection}] has {held_there}")
            if "inferpoint" not in held:
                self._client.update_collection(self._collection, metadata={**held, **_about(space)})

    def _made(self, space: Space, dimensions: int) -> None:
        params = self._models.VectorParams(size=dimensions, distance=self._distance(space))
        try:
            with _worded():
                self._client.create_collection(self._collection, vectors_config=params, metadata=_about(space))
                if self._chunked and not self._local:
                    self._client.create_payload_index(self._collection, "document", field_schema="keyword", wait=True)
        except InferenceError as error:
            if error.kind is not Kind.CONFLICT:  # somebody else makes it in this moment
                raise

    def _distance(self, space: Space) -> Any:
        return self._models.Distance(_DISTANCES.get(space.similarity, "Cosine"))

    @override
    def write(self, part: Part, rows: Sequence[Row]) -> Receipt:
        assert self._space is not None, "a sink is opened before it is written"
        rows, rejected = fitting(rows, self._space)
        items = by_document(rows)
        rows = [row for of_item in items.values() for row in of_item]
        with self._lock, _worded():
            if self._chunked and rows:
                self._client.delete(self._collection, self._others([*items], rows), wait=True)
            for begin in range(0, len(rows), _POINTS):
                several = rows[begin : begin + _POINTS]
                batch = self._models.Batch(
                    ids=[_point(row) for row in several],
                    vectors=[vectors.numbers(row.value).tolist() for row in several],
                    payloads=[self._payload(row) for row in several],
                )
                self._client.upsert(self._collection, batch, wait=True)
        return Receipt(len(rows), rejected=rejected)

    def _others(self, documents: Sequence[str], rows: Sequence[Row]) -> Any:
        """What selects the points of *documents* that are none of *rows*."""
        models = self._models
        of_documents = models.FieldCondition(key="document", match=models.MatchAny(any=documents))
        these = models.HasIdCondition(has_id=[_point(row) for row in rows])
        return models.FilterSelector(filter=models.Filter(must=[of_documents], must_not=[these]))

    def _payload(self, row: Row) -> Mapping[str, Any]:
        payload = {**msgspec.to_builtins(row.fields, str_keys=True), "id": row.id, "document": row.document}
        if self._chunked:
            payload |= {"chunk": row.chunk, "start": row.start, "end": row.end}
        return {**payload, "text": row.text}

    @override
    def finish(self, receipts: Sequence[Receipt]) -> None:
        """All is there: each point was waited for."""

    @override
    def ids(self, receipts: Sequence[Receipt]) -> Iterator[str]:
        after: Any = None
        while True:
            with self._lock, _worded():
                points, after = self._client.scroll(
                    self._collection, limit=_PAGE, offset=after, with_payload=["id"], with_vectors=False
                )
            yield from (point.payload["id"] if point.payload else str(point.id) for point in points)
            if after is None:
                return

    @override
    def close(self) -> None:
        self._client.close()


def _point(row: Row) -> str:
    return str(uuid5(_NAMESPACE, row.id))


def _about(space: Space) -> Mapping[str, Any]:
    return {"inferpoint": msgspec.to_builtins(space)}


@contextlib.contextmanager
def _worded() -> Generator[None]:
    errors = extra("qdrant_client.http.exceptions", of="qdrant")
    limits = extra("qdrant_client.common.client_exceptions", of="qdrant")
    try:
        yield
    except errors.UnexpectedResponse as error:
        raise InferenceError(kind_of_status(error.status_code or 500), f"Qdrant: {str(error)[:500]}") from None
    except limits.ResourceExhaustedResponse as error:
        raise InferenceError(Kind.RATE_LIMITED, f"Qdrant: {error}", retry_after=float(error.retry_after_s)) from None
    except errors.ResponseHandlingException as error:
        raise InferenceError(Kind.CUT_OFF, f"Qdrant cannot be reached: {error}") from None
    except RuntimeError as error:  # a folder that another process has open
        raise InferenceError(Kind.CUT_OFF, f"Qdrant: {str(error)[:500]}") from None
