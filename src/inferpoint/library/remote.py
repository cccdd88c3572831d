"""The library's work done by a server, over HTTP: Elasticsearch's face for all but chats, OpenAI's for those."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from typing_extensions import override

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.library import wire
from inferpoint.library.backend import Backend
from inferpoint.library.chats import Chat
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Event, Reply, address, parse, present, unreadable
from inferpoint.model.requests import Chunking, Documents, InferenceRequest
from inferpoint.model.results import Completion, Delta, InferenceResult
from inferpoint.outbound.http.transport import HttpTransport
from inferpoint.outbound.transport import Arriving
from inferpoint.protocols.openai import replies, stream
from inferpoint.protocols.sse import ServerSentEvents
from inferpoint.version import __version__

_ENDPOINTS = "/_inference"
_CHATS = "/v1/chat/completions"
_LABEL = "server's chat"


class Remote(Backend):
    """The server at *url*, asked with the API *key* where there is one."""

    def __init__(self, url: str, key: str | None, *, validate: bool) -> None:
        if "@" in urlsplit(url).netloc:
            raise invalid("The address of a server has no user in it; a key is passed as [api_key]")
        self._url = url.rstrip("/")
        self._headers = {} if key is None else {"authorization": f"Bearer {key}"}
        self._validate = validate
        self._transport = HttpTransport(__version__)

    @override
    async def open(self) -> None:
        self._transport = HttpTransport(__version__)  # one that was closed stays so

    @override
    async def close(self) -> None:
        await self._transport.close()

    @override
    async def put(self, inference_id: str, config: Mapping[str, Any], timeout: float | None) -> dict[str, Any]:
        parameters = {"timeout": _time(timeout), "skip_validation": None if self._validate else "true"}
        return await self._shown("PUT", _path(inference_id), config, parameters)

    @override
    async def update(self, inference_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        return await self._shown("PUT", f"{_path(inference_id)}/_update", changes)

    @override
    async def get(self, inference_id: str) -> dict[str, Any]:
        shown = wire.endpoints(await self._whole(self._call("GET", _path(inference_id))))
        if len(shown) != 1:
            raise unreadable("server's endpoint", f"it shows [{len(shown)}]")
        return shown[0]

    @override
    async def all(self, task_type: str | None) -> list[dict[str, Any]]:
        return wire.endpoints(await self._whole(self._call("GET", _path("_all", task_type))))

    @override
    async def delete(self, inference_id: str) -> None:
        await self._shown("DELETE", _path(inference_id))

    @override
    async def infer(self, inference_id: str, request: InferenceRequest, kind: TaskType | None) -> InferenceResult:
        reply = await self._whole(self._inference(_path(inference_id, kind), request))
        request.stats.calls += wire.calls(reply)
        return wire.result(reply, request)

    @override
    async def stream(self, inference_id: str, request: InferenceRequest) -> AsyncGenerator[Sequence[Delta]]:
        call = self._inference(f"{_path(inference_id)}/_stream", request)
        async with aclosing(self._events(call, None)) as events:
            async for event in events:
                if event.data == b"[DONE]":
                    return
                yield wire.pieces(event)
        raise InferenceError(Kind.CUT_OFF, f"The answer of {address(self._url)} broke off before its end")

    @override
    async def chat(self, inference_id: str, chat: Chat) -> Completion:
        async with _in_time(chat.timeout):
            reply = await self._whole(self._call("POST", _CHATS, {"model": inference_id, **chat.body}))
        return replies.completion(reply, _LABEL)

    @override
    async def stream_chat(self, inference_id: str, chat: Chat) -> AsyncGenerator[Sequence[Delta]]:
        streamed = {"stream": True, "stream_options": {"include_usage": True}}
        call = self._call("POST", _CHATS, {"model": inference_id, **chat.body, **streamed})
        reader = stream.Chunks(_LABEL)
        async with aclosing(self._events(call, chat.timeout)) as events:
            async for event in events:
                try:
                    yield reader.feed(event)
                except InferenceError as error:
                    raise (error if error.upstream is None else wire.refusal(Reply(500, event.data))) from None
        yield reader.end()

    def __repr__(self) -> str:
        return repr(address(self._url))

    def _inference(self, path: str, request: InferenceRequest) -> Call:
        return self._call("POST", path, _body(request), {"timeout": _time(request.timeout)})

    async def _shown(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, str | None] | None = None,
    ) -> dict[str, Any]:
        """The object that the server answers."""
        reply = await self._whole(self._call(method, path, body, parameters))
        return parse(reply.body, dict[str, Any], of="server's answer")

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, str | None] | None = None,
    ) -> Call:
        query = urlencode(present(parameters or {}))
        data, kind = (b"", {}) if body is None else (_json(body), {"content-type": "application/json"})
        url = f"{self._url}{path}{'?' if query else ''}{query}"
        return Call(url, data, {**self._headers, **kind}, method)

    async def _whole(self, call: Call) -> Reply:
        """The reply of a server that does what it is asked; what it refuses is raised."""
        arriving = await self._transport.send(call)
        try:
            reply = await arriving.read()
        finally:
            arriving.close()
        if reply.status != 200:
            raise wire.refusal(reply)
        return reply

    async def _events(self, call: Call, timeout: float | None) -> AsyncGenerator[Event]:
        """The events of a stream, which is left by closing its connection; *timeout* is for the first bytes."""
        async with _in_time(timeout):
            arriving = await self._begun(call)
        framing = ServerSentEvents()
        try:
            async for data in arriving.pieces():
                for event in framing.feed(data):
                    yield event
            for event in framing.end():
                yield event
        finally:
            arriving.close()

    async def _begun(self, call: Call) -> Arriving:
        """A stream that the server has begun, which it does with the first piece; what it refuses is raised."""
        arriving = await self._transport.send(call)
        if arriving.status == 200:
            return arriving
        try:
            raise wire.refusal(await arriving.read())
        finally:
            arriving.close()


def _path(inference_id: str, kind: str | None = None) -> str:
    return f"{_ENDPOINTS}{'' if kind is None else '/' + quote(kind, safe='')}/{quote(inference_id, safe='')}"


def _body(request: InferenceRequest) -> dict[str, Any]:
    """The members of a request in Elasticsearch's form."""
    options = {"task_settings": request.options or None}
    match request.input:
        case Documents(query, texts, return_documents, top_n):
            members = {"input": texts, "query": query, "return_documents": return_documents, "top_n": top_n}
        case texts:
            members = {"input": texts, "input_type": request.input_type, "partial": request.partial or None}
            members |= {"encoding_format": "base64" if request.packed else None, **_chunking(request.chunking)}
    return present({**members, **options})


def _chunking(chunking: Chunking | None) -> dict[str, Any]:
    if chunking is None:
        return {}
    return {"chunked": True, "chunking_settings": chunking.settings, "return_text": chunking.return_text}


def _json(body: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, UnicodeEncodeError) as error:
        raise invalid(f"The request cannot be written as JSON: {error}") from None


def _time(seconds: float | None) -> str | None:
    """A time in Elasticsearch's form, which has no fractions."""
    return None if seconds is None else f"{max(1, round(seconds * 1000))}ms"


@asynccontextmanager
async def _in_time(seconds: float | None) -> AsyncGenerator[None]:
    """`TIMED_OUT` for work that takes longer than *seconds*."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise InferenceError(Kind.TIMED_OUT, f"The server did not answer within {seconds:g} s") from None
