"""`Inferpoint`: endpoints and inference for code that awaits, in this process or on a server."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from inferpoint.access.variables import API_KEY
from inferpoint.endpoints.sections import EndpointChanges, EndpointConfig
from inferpoint.errors import invalid
from inferpoint.library.answers import Answer, ChatPiece, Collected
from inferpoint.library.backend import Backend
from inferpoint.library.chats import Messages, asked
from inferpoint.library.inprocess import InProcess
from inferpoint.library.jobs import Jobs
from inferpoint.library.many import AnyItems, Embedded, Embedder, ManyOptions, embedded
from inferpoint.library.options import (
    CallOptions,
    ChatOptions,
    EmbeddingOptions,
    InferenceOptions,
    RankingOptions,
    Settings,
    as_json,
    check_names,
    checked_texts,
    chunking,
)
from inferpoint.library.remote import Remote
from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import Documents, InferenceRequest, purpose
from inferpoint.model.results import (
    Completion,
    Delta,
    Embeddings,
    InferenceResult,
    Ranking,
    Reasoning,
    SparseEmbeddings,
    Text,
    ToolCall,
)

T = TypeVar("T")


class Inferpoint:
    """Endpoints and inference, without a server or on one.

    With a folder as `data_dir` endpoints are kept there, and the folder is this program's alone; without one they are
    kept in memory. With an address (`http://…`, `https://…`) they are those of the server there, which is sent
    `api_key`, or that of `INFERPOINT_API_KEY`. Used inside `async with`, or between `open` and `close`. What goes wrong
    is an `InferenceError`.
    """

    def __init__(
        self, data_dir: str | Path | None = None, *, api_key: str | None = None, validate: bool = True
    ) -> None:
        self._backend: Backend
        if isinstance(data_dir, str) and data_dir.startswith(("http://", "https://")):
            self._backend = Remote(data_dir, api_key or os.environ.get(API_KEY), validate=validate)
        elif api_key is None:
            self._backend = InProcess(None if data_dir is None else Path(data_dir), validate=validate)
        else:
            raise TypeError("[api_key] is for the address of a server, which begins with http:// or https://")
        self._is_open = False
        remote = isinstance(self._backend, Remote)
        folder = None if data_dir is None or remote else Path(data_dir)
        self._jobs = Jobs(lambda: self.backend, folder, str(data_dir) if remote else None)

    @property
    def jobs(self) -> Jobs:
        """Bulk jobs whose endpoints are these.

        They are written down in the folder `jobs` of the data folder, or of the platform's where there is none; or
        where `INFERPOINT_JOBS` says, which is another folder or the address of a PostgreSQL database.
        """
        return self._jobs

    async def open(self) -> Self:
        """Open the folder, or the way to the server, for code without a block; what is open stays so.

        A folder that another process has is `CONFLICT`.
        """
        if not self._is_open:
            await self._backend.open()
            self._is_open = True
        return self

    async def close(self) -> None:
        """Give up the calls that others wait for, and close connections and the folder; what is closed stays so.

        What was closed may be opened again.
        """
        if self._is_open:
            self._is_open = False
            await self._jobs.close()
            await self._backend.close()

    async def __aenter__(self) -> Self:
        """Open the folder, once."""
        if self._is_open:
            raise RuntimeError("This Inferpoint is open already")
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections and the folder."""
        await self.close()

    async def put(
        self, inference_id: str, *, timeout: float | None = None, **config: Unpack[EndpointConfig]
    ) -> dict[str, Any]:
        """Create an endpoint after trying it once, and show it.

        `task_type`, `service` and `service_settings` are needed; `task_settings`, `chunking_settings`, `aliases` and
        `cache` are not. The settings are those of the service's page. `aliases` are other ids by which the endpoint is
        found. With a `cache`, be it `{}`, no text is embedded twice. `timeout`, in seconds, is for trying the endpoint.
        An id that exists already is `CONFLICT`, and changes nothing. `force` gives the endpoint an alias that stood for
        vectors of another model. What is shown of an endpoint makes it again, once its secrets are put back in.
        """
        check_names("put", config, EndpointConfig)
        named = {"inference_id": inference_id, **as_json(config)}  # as what is shown is, so that it can be put again
        return await self.backend.put(inference_id, named, timeout)

    async def update(self, inference_id: str, **changes: Unpack[EndpointChanges]) -> dict[str, Any]:
        """Change what may be changed of an endpoint, secrets included, after trying it, and show the endpoint.

        `service_settings` and `task_settings` change what they name. `chunking_settings`, `aliases` and `cache` replace
        what is there; a cache of `{"memory_bytes": 0}` is none. An alias of another endpoint moves to this one, and one
        of embeddings only where the vectors of both compare, or with `force`.
        """
        check_names("update", changes, EndpointChanges)
        return await self.backend.update(inference_id, as_json(changes))

    async def get(self, inference_id: str) -> dict[str, Any]:
        """Show one endpoint, found by its id or an alias, without its secrets."""
        return await self.backend.get(inference_id)

    async def all(self, task_type: str | None = None) -> list[dict[str, Any]]:
        """Show all endpoints, or those of one task type, in the order of their ids."""
        return await self.backend.all(task_type)

    async def delete(self, inference_id: str) -> None:
        """Delete an endpoint; `NOT_FOUND` when there is none of that id."""
        await self.backend.delete(inference_id)

    async def infer(
        self, inference_id: str, texts: str | Sequence[str], **options: Unpack[InferenceOptions]
    ) -> InferenceResult:
        """The whole result for *texts*: `Embeddings` or a `Completion`, by what the endpoint does.

        `input_type` tells what embeddings are for: `search` goes before `ingest` where calls wait. With `chunked` long
        texts are cut, by `chunking_settings` or else the endpoint's, and the result is `ChunkedEmbeddings`. With
        `partial` an input that cannot be embedded has its error in the result's `errors`, and the others their vectors.
        `task_settings` go before the endpoint's. `timeout` is in seconds: 30 when none is given, 120 for completions.
        """
        check_names("infer", options, InferenceOptions)
        return await self.backend.infer(inference_id, _of_texts(texts, **options), None)

    async def embed(
        self, inference_id: str, texts: str | Sequence[str], **options: Unpack[EmbeddingOptions]
    ) -> Embeddings:
        """A dense vector for each of *texts*, in their order; options as for `infer`."""
        check_names("embed", options, EmbeddingOptions)
        result = await self.backend.infer(inference_id, _of_texts(texts, **options), None)
        return _narrowed(result, Embeddings, inference_id)

    async def sparse(
        self, inference_id: str, texts: str | Sequence[str], **options: Unpack[EmbeddingOptions]
    ) -> SparseEmbeddings:
        """The weights of its tokens for each of *texts*, in their order; options as for `infer`."""
        check_names("sparse", options, EmbeddingOptions)
        request = _of_texts(texts, **options)
        result = await self.backend.infer(inference_id, request, TaskType.SPARSE_EMBEDDING)
        return _narrowed(result, SparseEmbeddings, inference_id)

    async def embed_many(
        self, inference_id: str, items: AnyItems, **options: Unpack[ManyOptions]
    ) -> AsyncGenerator[Embedded]:
        """What became of each of *items*, in their order: its vector or its chunks, or an error of its own.

        Items are texts, pairs of an id and a text, or mappings in which `text` and `id` name members; of any iterable,
        endless and asynchronous ones too, of which some 2,000 are read ahead. What is refused only for now is asked
        again until it is answered; what concerns all items ends the iteration. `chunked`, `task_settings` and `waiting`
        are as for `infer` and `jobs`.
        """
        check_names("embed_many", options, ManyOptions)
        async with aclosing(embedded(Embedder(self.backend, inference_id, options), items, options)) as results:
            async for result in results:
                yield result

    async def rerank(
        self, inference_id: str, query: str, documents: Sequence[str], **options: Unpack[RankingOptions]
    ) -> Ranking:
        """The *documents* by how well they answer *query*, best first.

        `top_n` is how many are wanted, `return_documents` whether with their texts. `task_settings` go before the
        endpoint's. `timeout` is in seconds.
        """
        check_names("rerank", options, RankingOptions)
        texts = checked_texts(documents)
        request = InferenceRequest(
            Documents(query, texts, options.get("return_documents"), options.get("top_n")),
            options=options.get("task_settings") or {},
            timeout=options.get("timeout"),
        )
        return _narrowed(await self.backend.infer(inference_id, request, TaskType.RERANK), Ranking, inference_id)

    async def complete(self, inference_id: str, text: str, **options: Unpack[CallOptions]) -> Answer:
        """What the model of a completion endpoint answers to *text*.

        `task_settings` go before the endpoint's. `timeout` is in seconds. A server tells no `reason`.
        """
        check_names("complete", options, CallOptions)
        request = _of_texts(text, **options)
        result = await self.backend.infer(inference_id, request, TaskType.COMPLETION)
        return Answer(_narrowed(result, Completion, inference_id))

    async def chat(self, inference_id: str, messages: Messages, **options: Unpack[ChatOptions]) -> Answer:
        """What the model of a chat endpoint answers to *messages*: one text of the user's, or turns in OpenAI's form.

        The options are OpenAI's, with its names and forms. `timeout` is in seconds.
        """
        check_names("chat", options, ChatOptions)
        return Answer(await self.backend.chat(inference_id, asked(messages, options)))

    async def stream_chat(
        self, inference_id: str, messages: Messages, **options: Unpack[ChatOptions]
    ) -> AsyncGenerator[ChatPiece]:
        """What `chat` answers as it comes: pieces of text, thoughts and tool calls; last of all the whole `Answer`.

        Leaving the iteration early closes the provider's connection. `timeout`, in seconds, is for the first piece.
        """
        check_names("stream_chat", options, ChatOptions)
        collected = Collected()
        async with aclosing(self.backend.stream_chat(inference_id, asked(messages, options))) as pieces:
            async for deltas in pieces:
                for delta in deltas:
                    collected.add(delta)
                    if isinstance(delta, Text | Reasoning | ToolCall):
                        yield delta
        yield Answer(collected.completion())

    async def stream(
        self,
        inference_id: str,
        texts: str | Sequence[str],
        *,
        task_settings: Settings | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[Delta]:
        """The result piece by piece, of tasks that stream: text, an end, a cost; of a server's, text alone.

        Leaving the iteration early closes the provider's connection. `task_settings` go before the
        endpoint's. `timeout`, in seconds, is for the first piece.
        """
        request = InferenceRequest(checked_texts(texts), options=task_settings or {}, timeout=timeout)
        async with aclosing(self.backend.stream(inference_id, request)) as pieces:
            async for deltas in pieces:
                for delta in deltas:
                    yield delta

    @property
    def backend(self) -> Backend:
        """What does the work, while it is open: an engine in this process, or a server."""
        if not self._is_open:
            raise RuntimeError(
                "Inferpoint is used inside `async with Inferpoint(…) as ip:`, or between its open() and close()"
            )
        return self._backend

    def __repr__(self) -> str:
        return f"Inferpoint({self._backend!r}, {'open' if self._is_open else 'closed'})"


def _of_texts(texts: str | Sequence[str], **options: Unpack[InferenceOptions]) -> InferenceRequest:
    input_type = options.get("input_type")
    return InferenceRequest(
        checked_texts(texts),
        None if input_type is None else purpose(input_type),
        options=options.get("task_settings") or {},
        chunking=chunking(options.get("chunking_settings"), chunked=options.get("chunked", False)),
        partial=options.get("partial", False),
        timeout=options.get("timeout"),
    )


def _narrowed(result: InferenceResult, wanted: type[T], inference_id: str) -> T:
    if not isinstance(result, wanted):
        raise invalid(f"The result of [{inference_id}] is of the type {type(result).__name__}, not {wanted.__name__}")
    return result
