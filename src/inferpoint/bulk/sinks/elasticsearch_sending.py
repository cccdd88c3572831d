"""Operations to `_bulk` of Elasticsearch: in requests of a few megabytes, with the answer of each operation read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from inferpoint.bulk.clusters import reason, worded
from inferpoint.errors import InferenceError, Kind

_BYTES = 8 << 20  # of one request, or one document
_PAUSES = (0.5, 1, 2, 4, 8, 16, 16)  # seconds before what a node has no room for is sent again
_FOR_NOW = (429, 503)
_REJECTED = (400, 413)  # what is wrong with a document; other errors are the cluster's
_GONE = 404  # what was to be deleted
_ENCODER = msgspec.json.Encoder(enc_hook=str)


class Operation(msgspec.Struct, frozen=True):
    """What is to be done for the item *document*: its lines of `_bulk`."""

    document: str
    lines: tuple[bytes, ...]


def put(document: str, own_id: str, members: Mapping[str, Any]) -> Operation:
    """Have a document of that id, and no other."""
    return Operation(document, (_ENCODER.encode({"index": {"_id": own_id}}), _ENCODER.encode(members)))


def delete(document: str, own_id: str) -> Operation:
    """Have no document of that id."""
    return Operation(document, (_ENCODER.encode({"delete": {"_id": own_id}}),))


class Sending:
    """The way of operations into an index, which waits by `pause` for a cluster that has no room."""

    def __init__(self, client: Any, index: str, pause: Callable[[float], None] = time.sleep) -> None:
        self._client, self._index, self._pause = client, index, pause

    def send(self, operations: Iterable[Operation]) -> Mapping[str, str]:
        """Have all done, and say by their items why some cannot be; an `InferenceError` when it is not the time."""
        rejected: dict[str, str] = {}
        for several in _requests(operations):
            rejected.update(self._tried(several))
        return rejected

    def _tried(self, operations: list[Operation]) -> Mapping[str, str]:
        rejected, again, words = self._asked(operations)
        for pause in _PAUSES:
            if not again:
                return rejected
            self._pause(pause)
            more, again, words = self._asked(again)
            rejected = {**rejected, **more}
        if again:
            raise InferenceError(Kind.OVERLOADED, f"Elasticsearch has no room, write again later: {words}")
        return rejected

    def _asked(self, operations: list[Operation]) -> tuple[Mapping[str, str], list[Operation], str]:
        """The items that are rejected and why, and the operations that are for another time and why."""
        lines = [line for operation in operations for line in operation.lines]
        with worded():
            answered = self._client.bulk(index=self._index, operations=lines).body["items"]
        rejected: dict[str, str] = {}
        again: list[Operation] = []
        words = ""
        for operation, item in zip(operations, answered, strict=True):
            ((action, told),) = item.items()
            status = told["status"]
            if status < 300 or (action == "delete" and status == _GONE):
                continue
            words = reason(told["error"])
            if status in _FOR_NOW:
                again.append(operation)
            elif status in _REJECTED:
                rejected[operation.document] = words
            else:
                raise InferenceError(Kind.INTERNAL, f"Elasticsearch answers {status}: {words}")
        return rejected, again, words


def _requests(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    several: list[Operation] = []
    size = 0
    for operation in operations:
        more = sum(map(len, operation.lines))
        if several and size + more > _BYTES:
            yield several
            several, size = [], 0
        several.append(operation)
        size += more
    if several:
        yield several
