"""A stream of a provider, from bytes to deltas."""

from __future__ import annotations

from collections.abc import Sequence

from inferpoint.calls import provider_errors
from inferpoint.calls.job import EndpointJob
from inferpoint.errors import InferenceError
from inferpoint.model.results import Delta


class StreamReader:
    """The reader of the stream that answers *job*: what came before a fault is handed on before the fault."""

    def __init__(self, job: EndpointJob) -> None:
        resolved = job.resolved
        assert resolved.task.reader is not None
        self._job = job
        self._framing = resolved.task.framing()
        self._reader = resolved.task.reader(resolved.endpoint.settings)
        self._fault: InferenceError | None = None

    def feed(self, piece: bytes) -> Sequence[Delta]:
        """The deltas in *piece*, as far as it can be read."""
        deltas: list[Delta] = []
        try:
            for event in self._framing.feed(piece):
                deltas.extend(self._job.call_ids.in_deltas(self._reader.feed(event)))
        except InferenceError as error:
            if error.upstream is not None:
                error = provider_errors.from_stream(self._job.resolved, error.upstream, self._job.secrets)
            self._fault = error
        return deltas

    def check(self) -> None:
        """Raise the fault, if there was one."""
        if self._fault is not None:
            raise self._fault

    def end(self) -> Sequence[Delta]:
        """The deltas that are left when the body ends."""
        deltas = [delta for event in self._framing.end() for delta in self._reader.feed(event)]
        return self._job.call_ids.in_deltas([*deltas, *self._reader.end()])
