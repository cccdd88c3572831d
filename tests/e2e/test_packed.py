"""Vectors in base64 all the way from a provider through a server to a bulk job."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emulated_provider import Asked, Provider
from real_processes import Inferpoint

from inferpoint import connect
from inferpoint.library.endpoint import EndpointInference
from inferpoint.library.remote import Remote
from inferpoint.model.requests import Chunking, InferenceRequest, InputType
from inferpoint.model.results import ChunkedEmbeddings, Embeddings, InferenceResult
from inferpoint.model.vectors import is_packed, numbers

VECTOR = [0.6, 0.0, 0.8]
PACKED = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()


def openai(asked: Asked) -> None:
    """Vectors in the form that is asked for, but for a text that is refused."""
    inputs: list[str] = asked.json["input"]
    if "refused" in inputs:
        asked.answer({"error": {"message": "no such text"}}, 400)
        return
    vector = PACKED if asked.json["encoding_format"] == "base64" else VECTOR
    asked.answer({"data": [{"index": place, "embedding": vector} for place in range(len(inputs))]})


def test_a_server_hands_on_what_its_provider_packed(tmp_path: Path, provider: Callable[..., Provider]) -> None:
    """Whole texts and chunks; the errors of single texts come beside them, as ever."""
    upstream = provider(openai)
    with connect(tmp_path) as ip:
        settings = {"api_key": "k", "model_id": "m", "url": f"{upstream.url}/v1/embeddings"}
        ip.put("e", task_type="text_embedding", service="openai", service_settings=settings)
    while not upstream.asked.empty():
        upstream.asked.get()
    with Inferpoint(tmp_path) as server:
        texts = ("a", "refused", "c")
        whole, chunked = asyncio.run(
            asked_of(server.url, {"input": texts}, {"input": texts, "chunking": Chunking(return_text=True)})
        )
    assert isinstance(whole, Embeddings)
    assert isinstance(chunked, ChunkedEmbeddings)
    assert [None if vector is None else is_packed(vector) for vector in whole.vectors] == [True, None, True]
    assert [*whole.errors] == [*chunked.errors] == [1]
    assert [[is_packed(chunk.vector) for chunk in chunks] for chunks in chunked.inputs] == [[True], [], [True]]
    assert list(numbers(whole.vectors[0])) == list(struct.unpack("<3f", struct.pack("<3f", *VECTOR)))
    assert {upstream.asked.get().json["encoding_format"] for _ in range(upstream.asked.qsize())} == {"base64"}


async def asked_of(url: str, *requests: dict[str, Any]) -> list[InferenceResult]:
    """What a server answers to requests as a bulk job makes them."""
    remote = Remote(url, None, validate=True)
    await remote.open()
    try:
        inference = EndpointInference(remote, "e")
        more = {"input_type": InputType.INGEST, "partial": True, "packed": True}
        return [await inference.infer(InferenceRequest(**request, **more)) for request in requests]
    finally:
        await remote.close()
