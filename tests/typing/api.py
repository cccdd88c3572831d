"""The library as a program with types uses it: read by pyright in strict mode, and never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_type

import inferpoint
from inferpoint import InferenceError, Inferpoint, connect
from inferpoint.bulk.job import Counts, Failure, Job
from inferpoint.bulk.verifying import Verified
from inferpoint.errors import Kind
from inferpoint.library import Answer, BulkJob, ChatPiece, Connected, ConnectedJob, Embedded
from inferpoint.model.chat import Thought, ToolUse
from inferpoint.model.results import (
    ChunkedEmbeddings,
    Completion,
    Delta,
    Embeddings,
    InferenceResult,
    Ranking,
    Reasoning,
    SparseEmbeddings,
    Text,
    ToolCall,
    Usage,
)


async def awaiting(folder: Path) -> None:
    """Code that awaits."""
    async with Inferpoint(folder, validate=False) as ip:
        assert_type(ip, Inferpoint)
        settings = {"model_id": "m"}
        made = await ip.put("e", task_type="text_embedding", service="elasticsearch", service_settings=settings)
        assert_type(made, dict[str, Any])
        assert_type(await ip.update("e", aliases=["f"], cache={}), dict[str, Any])
        assert_type(await ip.get("e"), dict[str, Any])
        assert_type(await ip.all(), list[dict[str, Any]])
        assert_type(await ip.update("e", service_settings={"num_threads": 2}), dict[str, Any])
        assert_type(await ip.delete("e"), None)
        assert_type(await ip.infer("e", ["a", "b"], input_type="search"), InferenceResult)
        assert_type(ip.stream("e", "a"), AsyncGenerator[Delta])
        async for delta in ip.stream("e", "a"):
            if isinstance(delta, Text):
                assert_type(delta.text, str)


def waiting() -> list[list[float]]:
    """Code that does not."""
    with connect() as ip:
        assert_type(ip, Connected)
        settings = {"model_id": "m"}
        made = ip.put("e", task_type="completion", service="openai", service_settings=settings, timeout=None)
        assert_type(made, dict[str, Any])
        assert_type(ip.update("e", aliases=["f"], cache={}), dict[str, Any])
        assert_type(ip.get("e"), dict[str, Any])
        assert_type(ip.all(task_type="completion"), list[dict[str, Any]])
        assert_type(ip.delete(inference_id="e"), None)
        assert_type(ip.infer("e", ["a", "b"], input_type="search"), InferenceResult)
        assert_type(ip.stream("e", "a", task_settings={"user": "u"}, timeout=1.5), Generator[Delta])
        match ip.infer("e", "a", chunked=True, chunking_settings={"strategy": "none"}, partial=True):
            case Embeddings() as found:
                assert_type(found.errors, Mapping[int, InferenceError])
                return found.numbers()
            case ChunkedEmbeddings(inputs):
                assert_type(inputs[0][0].start_offset, int)
            case Completion(choices):
                assert_type(choices[0].text, str)
            case _:
                pass
    return []


async def chatting() -> None:
    """Each task by its own method, awaited."""
    async with Inferpoint("http://127.0.0.1:9210", api_key="k") as ip:
        assert_type(await ip.embed("e", ["a"], input_type="search", partial=True), Embeddings)
        assert_type((await ip.embed("e", "a")).numbers(), list[list[float]])
        assert_type(await ip.sparse("e", "a", timeout=1), SparseEmbeddings)
        assert_type(await ip.rerank("e", "query", ["a", "b"], top_n=1), Ranking)
        assert_type(await ip.complete("e", "a", task_settings={"user": "u"}), Answer)
        assert_type(await ip.chat("e", "Hello", tools=[{"type": "function"}], stop="END"), Answer)
        assert_type(ip.stream_chat("e", [{"role": "user", "content": "Hello"}]), AsyncGenerator[ChatPiece])
        async for piece in ip.stream_chat("e", "Hello", max_tokens=5, response_format={"type": "json_object"}):
            assert_type(piece, Text | Reasoning | ToolCall | Answer)
    assert_type(await Inferpoint().open(), Inferpoint)
    assert_type(await ip.close(), None)


def chatting_without_await() -> str:
    """Each task by its own method, waited for."""
    ip = connect("http://127.0.0.1:9210", api_key="k").open()
    assert_type(ip, Connected)
    assert_type(ip.embed("e", ["a"]), Embeddings)
    assert_type(ip.sparse("e", "a").weights, Sequence[tuple[Mapping[str, float], bool]])
    ranking = ip.rerank("e", "query", ("a", "b"), return_documents=True)
    assert_type(ranking, Ranking)
    assert_type(
        [(document.index, document.score, document.text) for document in ranking.ranked],
        list[tuple[int, float, str | None]],
    )
    assert_type(ip.complete("e", "a").text, str)
    answer = ip.chat("e", [{"role": "user", "content": "Hello"}], reasoning_effort="low", tool_choice="auto")
    assert_type(answer, Answer)
    assert_type(answer.usage, Usage | None)
    assert_type(answer.reason, str | None)
    assert_type(answer.tool_calls, tuple[ToolUse, ...])
    assert_type(answer.thoughts, tuple[Thought, ...])
    assert_type(answer.message(), dict[str, Any])
    assert_type(ip.stream_chat("e", "Hello", temperature=0.5, timeout=None), Generator[ChatPiece])
    for piece in ip.stream_chat("e", [*({"role": "user", "content": "Hello"},), answer.message()]):
        match piece:
            case Text(text) | Reasoning(text):
                assert_type(text, str)
            case ToolCall():
                assert_type(piece.arguments, str)
            case Answer():
                return piece.text
    assert_type(ip.close(), None)
    return ""


def failing() -> Kind:
    """What goes wrong."""
    try:
        ip = inferpoint.connect("folder")
        ip.infer("e", 5)  # pyright: ignore[reportArgumentType]
        ip.infer("e", "a", chunks=True)  # pyright: ignore[reportCallIssue]
        ip.put("e", task_type="rerank", service="hugging_face")  # pyright: ignore[reportCallIssue]
        ip.update("e", service="openai")  # pyright: ignore[reportCallIssue]
        ip.chat("e", 5)  # pyright: ignore[reportArgumentType]
        ip.chat("e", "a", model="m")  # pyright: ignore[reportCallIssue]
        ip.rerank("e", "query")  # pyright: ignore[reportCallIssue]
        ip.embed("e", "a", chunked=True)  # pyright: ignore[reportCallIssue]
        ip.complete("e", ["a"])  # pyright: ignore[reportArgumentType]
        ip.stream("e", "a", timeout="5s")  # pyright: ignore[reportArgumentType]
    except InferenceError as error:
        assert_type(error.problems, tuple[str, ...])
        return error.kind
    return Kind.INTERNAL


assert_type(inferpoint.__version__, str)


async def in_bulk(items: AsyncIterator[tuple[str, str]]) -> None:
    """Jobs, and any number of texts, awaited."""
    async with Inferpoint() as ip:
        job = await ip.jobs.start(source="a.jsonl", endpoint="e", to="b/", name="n", id="id", keep=["x"], chunk=True)
        assert_type(job, BulkJob)
        assert_type(await job.run(shards=2), Counts)
        assert_type(await job.read(), Job)
        assert_type(await job.retry(), int)
        assert_type(await job.verify(), Verified)
        assert_type(job.failures(), AsyncGenerator[Failure])
        assert_type(await ip.jobs.all(), list[BulkJob])
        assert_type(await ip.jobs.get("n"), BulkJob)
        assert_type(ip.embed_many("e", items, chunked=True), AsyncGenerator[Embedded])
        async for result in ip.embed_many("e", ["a", {"id": 1, "text": "b"}], text="text", task_settings={}):
            assert_type(result.error, InferenceError | None)
            assert_type(result.numbers(), list[float])
        await ip.jobs.start(source="a.jsonl", endpoint="e", to="b/", on_error="go")  # type: ignore[arg-type]


def in_bulk_without_await() -> None:
    """Jobs, and any number of texts, waited for."""
    with connect() as ip:
        job = ip.jobs.start(source="a.jsonl", endpoint="e", to="b/", limit=5, on_error="stop", max_failed=0.5)
        assert_type(job, ConnectedJob)
        assert_type(job.run(), Counts)
        assert_type(job.counts(), Counts)
        assert_type(list(job.failures()), list[Failure])
        assert_type(ip.jobs.all(), list[ConnectedJob])
        assert_type(ip.jobs.get("n").name, str)
        assert_type(list(ip.embed_many("e", ("a", "b"))), list[Embedded])
