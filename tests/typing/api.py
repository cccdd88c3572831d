"""The library as a program with types uses it: read by pyright in strict mode, and never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from pathlib import Path
from typing import Any, assert_type

import inferpoint
from inferpoint import InferenceError, Inferpoint, connect
from inferpoint.errors import Kind
from inferpoint.library import Connected
from inferpoint.model.results import ChunkedEmbeddings, Completion, Delta, Embeddings, InferenceResult, Text


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


def failing() -> Kind:
    """What goes wrong."""
    try:
        ip = inferpoint.connect("folder")
        ip.infer("e", 5)  # pyright: ignore[reportArgumentType]
        ip.infer("e", "a", chunks=True)  # pyright: ignore[reportCallIssue]
        ip.put("e", task_type="rerank", service="hugging_face")  # pyright: ignore[reportCallIssue]
        ip.update("e", service="openai")  # pyright: ignore[reportCallIssue]
        ip.stream("e", "a", timeout="5s")  # pyright: ignore[reportArgumentType]
    except InferenceError as error:
        assert_type(error.problems, tuple[str, ...])
        return error.kind
    return Kind.INTERNAL


assert_type(inferpoint.__version__, str)
