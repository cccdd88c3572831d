"""`connect`: endpoints and inference for code that does not await, notebooks too."""

from __future__ import annotations

from collections.abc import AsyncIterable, Generator
from itertools import chain, repeat
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from inferpoint.library.awaiting import Inferpoint
from inferpoint.library.many import AnyItems, Embedded, Embedder, ManyOptions, exchanged, windows
from inferpoint.library.options import check_names
from inferpoint.library.waiting_jobs import ConnectedJobs
from inferpoint.library.waits import Waits
from inferpoint.portal import Portal


def connect(data_dir: str | Path | None = None, *, api_key: str | None = None, validate: bool = True) -> Connected:
    """Endpoints and inference for code that does not await: `with inferpoint.connect(…) as ip:`.

    `data_dir` is a folder, None for none, or the address of a server (`http://…`), which is sent `api_key`.
    """
    return Connected(Inferpoint(data_dir, api_key=api_key, validate=validate))


class Connected(Waits[Inferpoint]):
    """`Inferpoint` with methods that wait, for any number of threads. Its event loop runs in a thread of its own."""

    def __init__(self, inferpoint: Inferpoint) -> None:
        super().__init__(inferpoint, Portal())

    def open(self) -> Self:
        """Open the folder, or the way to the server, for code without a block; what is open stays so.

        A folder that another process has is `CONFLICT`.
        """
        if not self._portal.is_open:
            self._portal.start(self._awaited)
        return self

    def close(self) -> None:
        """Give up the calls that others wait for, and close connections and the folder; what is closed stays so.

        What was closed may be opened again.
        """
        self._portal.stop()

    def __enter__(self) -> Self:
        """Start the thread and open the folder, once."""
        self._portal.start(self._awaited)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel the calls that other threads wait for, close the folder and end the thread."""
        self.close()

    def __repr__(self) -> str:
        return repr(self._awaited).replace("Inferpoint", "Connected", 1)

    @property
    def jobs(self) -> ConnectedJobs:
        """Bulk jobs whose endpoints are these; where they are written down, `Inferpoint.jobs` says."""
        return ConnectedJobs(self._awaited.jobs, self._portal)

    def embed_many(self, inference_id: str, items: AnyItems, **options: Unpack[ManyOptions]) -> Generator[Embedded]:
        """Items that are not asynchronous are read in the thread of whoever iterates."""
        if isinstance(items, AsyncIterable):
            yield from self._portal.iterate(self._awaited.embed_many(inference_id, items, **options))
            return
        check_names("embed_many", options, ManyOptions)
        sent = chain([None], windows(items, options), repeat(None))
        for results in self._portal.iterate(exchanged(Embedder(self._awaited.backend, inference_id, options)), sent):
            yield from results

    put = Waits.waiting(Inferpoint.put)
    update = Waits.waiting(Inferpoint.update)
    get = Waits.waiting(Inferpoint.get)
    all = Waits.waiting(Inferpoint.all)
    delete = Waits.waiting(Inferpoint.delete)
    infer = Waits.waiting(Inferpoint.infer)
    embed = Waits.waiting(Inferpoint.embed)
    sparse = Waits.waiting(Inferpoint.sparse)
    rerank = Waits.waiting(Inferpoint.rerank)
    complete = Waits.waiting(Inferpoint.complete)
    chat = Waits.waiting(Inferpoint.chat)
    stream = Waits.iterating(Inferpoint.stream)
    stream_chat = Waits.iterating(Inferpoint.stream_chat)


Connected.embed_many.__doc__ = Inferpoint.embed_many.__doc__  # the help is one for both
