"""Every method of the library by one table of calls: awaited and waited for, in this process and on a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import aclosing
from itertools import groupby
from operator import attrgetter
from typing import Any

import pytest
from emulated_provider import Asked, Provider, begun, chunk, silence, vectors
from real_processes import PATIENCE
from real_processes import Inferpoint as Server

from inferpoint import InferenceError, Inferpoint, connect
from inferpoint.errors import Kind
from inferpoint.library import Connected
from inferpoint.model.chat import Thought, ToolUse
from inferpoint.model.results import Completion, Ranked, Reasoning, Text, Usage

STRANGE = {"strange": 200, "down": 501}
KEY = "sk-canary-0123456789"
USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 3}}
CALL = {
    "index": 0,
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
ASKED_TOOL = {"role": "assistant", "content": None, "tool_calls": [{**CALL}]}
TALK = [
    {"role": "user", "content": "Weather?"},
    ASKED_TOOL,
    {"role": "tool", "tool_call_id": "call_1", "content": "Rain"},
]


def model(asked: Asked) -> None:
    """Answer a chat as OpenAI does: by a tool call where there are tools, or with what it was asked for."""
    body = asked.json
    if body["messages"][0]["content"] == "silence":
        silence(asked)
        return
    if (text := body["messages"][0]["content"]) in STRANGE:
        asked.answer({}, STRANGE[text])
        return
    said: dict[str, Any] = {"content": json.dumps({name: body[name] for name in sorted(body) if name in SENT})}
    if "tools" in body:
        said = {"content": None, "tool_calls": [CALL]}
    reason = "tool_calls" if "tools" in body else "stop"
    about = {"id": "c", "model": "m", "usage": USAGE}
    if not body.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "reasoning": "Hm.", **said}, "finish_reason": reason}
        asked.answer({**about, "choices": [choice]})
        return
    asked.stream()
    for delta, ending in (({"reasoning": "Hm."}, None), (said, None), ({}, reason)):
        choices = [{"index": 0, "delta": delta, "finish_reason": ending}]
        asked.send(b"data: %b\n\n" % json.dumps({"id": "c", "model": "m", "choices": choices}).encode())
    asked.send(b"data: %b\n\ndata: [DONE]\n\n" % json.dumps({**about, "choices": []}).encode())


SENT = {
    "max_completion_tokens",
    "temperature",
    "top_p",
    "stop",
    "response_format",
    "parallel_tool_calls",
    "reasoning_effort",
}
OPTIONS: dict[str, Any] = {
    "max_tokens": 9,
    "temperature": 0.5,
    "top_p": 0.5,
    "stop": ("END",),
    "reasoning_effort": "low",
    "response_format": {"type": "json_object"},
    "timeout": 30,
}
TOLD = json.dumps({
    "max_completion_tokens": 9,
    "reasoning_effort": "low",
    "response_format": {"type": "json_object"},
    "stop": ["END"],
    "temperature": 0.5,
    "top_p": 0.5,
})  # fmt: skip


class World:
    """An open library with one endpoint of each task, awaited or not, in this process or on a server."""

    def __init__(self, ip: Any, run: Callable[[Any], Any], name: str) -> None:
        self.ip, self._run, self._name = ip, run, name

    def id(self, task: str) -> str:
        return f"{self._name}-{task}"

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """The library's method: given a task, it goes to the endpoint of that."""

        def call(*arguments: Any, task: str | None = None, **named: Any) -> Any:
            if task is not None:
                arguments = (self.id(task), *arguments)
            return self._run(getattr(self.ip, method)(*arguments, **named))

        return call


def plainly(result: Any) -> Any:
    """What a call that waits gave: a stream as a list."""
    return list(result) if isinstance(result, Iterator) else result


async def read(result: Any) -> Any:
    """What a call that is awaited gives: a stream as a list."""
    if not hasattr(result, "asend"):
        return await result
    async with aclosing(result):
        return [piece async for piece in result]


ENDPOINTS = {
    "embed": ("text_embedding", "hugging_face", ""),
    "sparse": ("sparse_embedding", "hugging_face", "/embed_sparse"),
    "rank": ("rerank", "hugging_face", "/rerank"),
    "chat": ("chat_completion", "openai", "/v1/chat/completions"),
    "complete": ("completion", "openai", "/v1/chat/completions"),
}


@pytest.fixture(params=["awaiting here", "waiting here", "awaiting there", "waiting there"])
def world(
    request: pytest.FixtureRequest, provider: Callable[..., Provider], server: Server, inference_id: str
) -> Iterator[World]:
    """Each way to use the library, with one endpoint of each task."""
    how, where = request.param.split()
    place = () if where == "here" else (server.url,)
    playing = {"hugging_face": provider(vectors), "openai": provider(model)}
    with asyncio.Runner() as runner:
        if how == "waiting":
            ip: Any = connect(*place, validate=False).open()
            world = World(ip, plainly, inference_id)
        else:
            ip = runner.run(Inferpoint(*place, validate=False).open())
            world = World(ip, lambda work: runner.run(read(work)), inference_id)
        try:
            for task, (kind, service, path) in ENDPOINTS.items():
                settings = {"api_key": KEY, "url": playing[service].url + path}
                settings |= {"model_id": "m"} if service == "openai" else {}
                world.put(task=task, task_type=kind, service=service, service_settings=settings)
            yield world
            for task in ENDPOINTS:
                world.delete(task=task)
        finally:
            world.close()


CALLS: list[Any] = [
    pytest.param(
        lambda ip: ip.embed(["a", "b"], task="embed", input_type="search", timeout=30).numbers(),
        [[0.6, 0.0, 0.8]] * 2,
        id="embed",
    ),
    pytest.param(lambda ip: ip.embed("a", task="embed").numbers(), [[0.6, 0.0, 0.8]], id="embed one"),
    pytest.param(
        lambda ip: [
            (type(error), error.kind, index)
            for index, error in ip.embed(["a", "refused"], task="embed", partial=True).errors.items()
        ],
        [(InferenceError, Kind.INVALID, 1)],
        id="embed partly",
    ),
    pytest.param(
        lambda ip: list(ip.sparse(["ab", "c"], task="sparse").weights),
        [({"2": 0.5}, False), ({"1": 0.5}, False)],
        id="sparse",
    ),
    pytest.param(
        lambda ip: ip.rerank("q", ["a", "b"], task="rank", return_documents=True).ranked,
        [Ranked(1, 1.0, "b"), Ranked(0, 0.5, "a")],
        id="rerank",
    ),
    pytest.param(
        lambda ip: ip.rerank("q", ["a", "b"], task="rank", top_n=1, timeout=30).ranked,
        [Ranked(1, 1.0)],
        id="rerank best",
    ),
    pytest.param(
        lambda ip: attrgetter("text", "usage")(ip.complete("Hello", task="complete")),
        ("{}", Usage(5, 7, reasoning=3)),
        id="complete",
    ),
    pytest.param(
        lambda ip: ip.chat("Hello", task="chat", **OPTIONS).text,
        TOLD,
        id="chat",
    ),
    pytest.param(lambda ip: ip.chat(TALK, task="chat").text, "{}", id="chat with a tool's result"),
    pytest.param(
        lambda ip: [
            (type(chunk).__name__, chunk.start_offset, chunk.text)
            for chunk in ip.infer(["One. Two."], task="embed", chunked=True).inputs[0]
        ],
        [("Chunk", 0, "One. Two.")],
        id="infer chunks",
    ),
    pytest.param(
        lambda ip: "".join(piece.text for piece in ip.stream("Hello", task="complete") if isinstance(piece, Text)),
        "{}",
        id="stream",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("act", "wanted"), CALLS)
def test_each_call_gives_one_result_wherever_it_is_made(world: World, act: Callable[[World], Any], wanted: Any) -> None:
    """A method gives what its task says, in this process and of a server, awaited and waited for."""
    assert act(world) == wanted
    assert KEY not in repr(world.ip)


def test_a_chat_calls_tools_and_goes_on(world: World) -> None:
    """An answer tells its tool calls, thoughts, cost and reason, and is a message of the next chat."""
    answer = world.chat("Weather?", task="chat", tools=[TOOL], tool_choice="required", parallel_tool_calls=False)
    assert answer.tool_calls == (ToolUse("call_1", "weather", '{"city": "Oslo"}'),)
    assert (answer.text, answer.reason, answer.usage) == ("", "tool_calls", Usage(5, 7, reasoning=3))
    assert answer.thoughts == (Thought("Hm.", member="reasoning"),)
    assert repr(answer).startswith("Answer('', weather(…), reason='tool_calls'")
    result = {"role": "tool", "tool_call_id": "call_1", "content": "Rain"}
    turns = [{"role": "user", "content": "Weather?"}, answer.message(), result]
    assert world.chat(turns, task="chat").text == "{}"


@pytest.mark.parametrize("tools", [None, [TOOL]], ids=["text", "tools"])
def test_a_streamed_chat_ends_in_the_whole_answer(world: World, tools: Any) -> None:
    """A stream of a chat is its pieces, and last of all the answer that `chat` gives."""
    *pieces, last = world.stream_chat("Weather?", task="chat", tools=tools)
    whole = world.chat("Weather?", task="chat", tools=tools)
    assert pieces[0] == Reasoning("Hm.", member="reasoning")
    assert [kind.__name__ for kind, _ in groupby(map(type, pieces))] == ["Reasoning", "ToolCall" if tools else "Text"]
    assert last == whole
    assert isinstance(last.completion, Completion)


FAILURES: list[Any] = [
    pytest.param(lambda ip: ip.get("none"), Kind.NOT_FOUND, "not found", id="get"),
    pytest.param(lambda ip: ip.delete("none"), Kind.NOT_FOUND, "not found", id="delete"),
    pytest.param(lambda ip: ip.update("none", cache={}), Kind.NOT_FOUND, "does not exist", id="update"),
    pytest.param(lambda ip: ip.all("nothing"), Kind.INVALID, "Unknown task_type", id="all"),
    pytest.param(lambda ip: ip.embed("none", "a"), Kind.NOT_FOUND, "not found", id="embed"),
    pytest.param(lambda ip: ip.stream("none", "a"), Kind.NOT_FOUND, "not found", id="stream"),
    pytest.param(lambda ip: ip.chat("none", "a"), Kind.NOT_FOUND, "not found", id="chat"),
    pytest.param(lambda ip: ip.stream_chat("none", "a"), Kind.NOT_FOUND, "not found", id="stream_chat"),
    pytest.param(lambda ip: ip.embed([], task="embed"), Kind.INVALID, "There is no text", id="no text"),
    pytest.param(lambda ip: ip.embed("a", task="rank"), Kind.INVALID, "query|rerank", id="embed by a ranker"),
    pytest.param(lambda ip: ip.embed("a", task="complete"), Kind.INVALID, "not Embeddings", id="embed by a model"),
    pytest.param(lambda ip: ip.rerank("q", ["a"], task="embed"), Kind.INVALID, "does not match", id="rank by embedder"),
    pytest.param(
        lambda ip: ip.chat("a", task="embed"), Kind.INVALID, "Incompatible task_type|cannot chat", id="chat by embedder"
    ),
    pytest.param(lambda ip: ip.chat([{"role": "x"}], task="chat"), Kind.INVALID, r"Unrecognized role \[x\]", id="role"),
    pytest.param(lambda ip: ip.chat([], task="chat"), Kind.INVALID, "cannot be an empty array", id="no message"),
    pytest.param(
        lambda ip: ip.embed("a", task="embed", task_settings={"nothing": 1}), Kind.INVALID, "nothing", id="settings"
    ),
    pytest.param(lambda ip: ip.complete("strange", task="complete"), Kind.UNREADABLE, "Failed to", id="unreadable"),
    pytest.param(lambda ip: ip.chat("strange", task="chat"), Kind.UNREADABLE, "Failed to", id="unreadable chat"),
    pytest.param(lambda ip: ip.complete("down", task="complete"), Kind.INTERNAL, "status", id="provider down"),
    pytest.param(lambda ip: ip.chat("down", task="chat"), Kind.INTERNAL, "status", id="provider of chats down"),
    pytest.param(lambda ip: ip.stream("a", task="embed"), Kind.UNSUPPORTED, "not allowed", id="stream of vectors"),
    pytest.param(lambda ip: ip.chat("silence", task="chat", timeout=0.2), Kind.TIMED_OUT, "0.2|200", id="silent chat"),
    pytest.param(
        lambda ip: ip.stream_chat("silence", task="chat", timeout=0.2), Kind.TIMED_OUT, "0.2|200", id="silent stream"
    ),
    pytest.param(
        lambda ip: ip.complete("silence", task="complete", timeout=0.2), Kind.TIMED_OUT, "0.2|200", id="silent model"
    ),
    pytest.param(lambda ip: ip.embed("refused", task="embed"), Kind.INVALID, r"Error message: \[refused\]", id="input"),
]


@pytest.mark.parametrize(("act", "kind", "words"), FAILURES)
def test_each_mistake_is_one_error_wherever_it_is_made(
    world: World, act: Callable[[World], Any], kind: Kind, words: str
) -> None:
    """What goes wrong is an `InferenceError` of one kind and in one wording, of a server as in this process."""
    with pytest.raises(InferenceError, match=words) as raised:
        act(world)
    assert raised.value.kind is kind
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("embed", ("x",)),
        ("sparse", ("x",)),
        ("rerank", ("q", ["x"])),
        ("complete", ("x",)),
        ("chat", ("x",)),
        ("stream_chat", ("x",)),
    ],
)
def test_a_name_that_is_no_parameter_is_refused(world: World, method: str, arguments: tuple[Any, ...]) -> None:
    """A misspelt argument is Python's own `TypeError`, and names method and argument."""
    with pytest.raises(TypeError, match=rf"{method}\(\) got an unexpected keyword argument 'maxTokens'"):
        getattr(world, method)("e", *arguments, maxTokens=1)


def test_several_problems_are_told_one_by_one(world: World) -> None:
    """An error tells each problem by itself."""
    with pytest.raises(InferenceError) as raised:
        world.put("e", task_type="completion", service="openai", service_settings={}, chunking_settings={"a": 1})
    assert raised.value.problems == (
        "[service_settings] does not contain the required setting [model_id]",
        "Sentence based chunking settings can not have the following settings: [a]",
    )


def test_an_endpoint_that_is_there_is_a_conflict(world: World) -> None:
    """Of two endpoints of one id the second is refused, and lists show the first."""
    shown = world.get(task="chat")
    config = {name: shown[name] for name in ("task_type", "service")}
    with pytest.raises(InferenceError) as raised:
        world.put(task="chat", **config, service_settings={"api_key": KEY, "model_id": "m"})
    assert raised.value.kind is Kind.CONFLICT
    assert shown in world.all("chat_completion")
    assert world.update(task="chat", aliases=[world.id("other")])["aliases"] == [world.id("other")]


def chat_on(ip: Any, inference_id: str, playing: Provider) -> None:
    settings = {"api_key": KEY, "model_id": "m", "url": playing.url}
    ip.put(inference_id, task_type="chat_completion", service="openai", service_settings=settings)


def test_leaving_a_stream_of_a_server_closes_it(
    server: Server, provider: Callable[..., Provider], inference_id: str
) -> None:
    """Who leaves the iteration closes the connection to the server, and so the server the provider's."""
    half = provider(begun)
    with connect(server.url, validate=False) as ip:
        chat_on(ip, inference_id, half)
        for piece in ip.stream_chat(inference_id, "x"):
            assert piece == Text("first")
            break
        assert half.next().left.wait(PATIENCE)

    async def main() -> None:
        async with Inferpoint(server.url) as awaiting, aclosing(awaiting.stream_chat(inference_id, "x")) as pieces:
            assert await anext(pieces) == Text("first")
        assert await asyncio.to_thread(half.next().left.wait, PATIENCE)

    asyncio.run(main())


BREAKS: dict[str, tuple[bytes, Kind, str]] = {
    "error": (b'data: {"error": {"message": "a fire", "type": "server_error"}}\n\n', Kind.INTERNAL, "a fire"),
    "limit": (b'data: {"error": {"message": "too fast", "code": 429}}\n\n', Kind.RATE_LIMITED, "too fast"),
    "nonsense": (b"data: <html>\n\n", Kind.UNREADABLE, "Failed to"),
    "end": (b"", Kind.CUT_OFF, "broke off|ended|before"),
}


@pytest.mark.parametrize("method", ["stream_chat", "stream"])
@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("place", ["here", "there"])
def test_a_stream_that_breaks_tells_why(
    server: Server, provider: Callable[..., Provider], inference_id: str, place: str, how: str, method: str
) -> None:
    """What came before an error is given, and the error has its kind and words, also of a server."""
    last, kind, words = BREAKS[how]

    def broken(asked: Asked) -> None:
        asked.stream()
        asked.send(chunk("first") + last)

    with connect(*([server.url] if place == "there" else []), validate=False) as ip:
        settings = {"api_key": KEY, "model_id": "m", "url": provider(broken).url}
        task = "chat_completion" if method == "stream_chat" else "completion"
        ip.put(inference_id, task_type=task, service="openai", service_settings=settings)
        pieces: list[Any] = []
        with pytest.raises(InferenceError, match=words) as raised:
            pieces.extend(getattr(ip, method)(inference_id, "x"))
        assert [piece for piece in pieces if isinstance(piece, Text)] == [Text("first")]
        assert raised.value.kind is kind


def test_a_server_is_sent_the_key_and_nobody_is_told_it(provider: Callable[..., Provider]) -> None:
    """The key is a bearer token of every request, and in no repr and no error."""
    refusing = provider(lambda asked: asked.answer({"error": {"message": "slow down"}}, 429, {"Retry-After": "7"}))
    with connect(f"{refusing.url}/below/", api_key=KEY) as ip:
        with pytest.raises(InferenceError, match="slow down") as raised:
            ip.chat("chat", "x")
        asked = refusing.next()
        assert (asked.path, asked.headers["authorization"]) == ("/below/v1/chat/completions", f"Bearer {KEY}")
        assert (raised.value.kind, raised.value.retry_after) == (Kind.RATE_LIMITED, 7.0)
        assert repr(ip) == f"Connected('{refusing.url}', open)"
        assert KEY not in repr(raised.value)
    assert repr(ip) == f"Connected('{refusing.url}', closed)"


@pytest.mark.parametrize(
    ("answer", "status", "kind", "words"),
    [
        (b"<html>", 200, Kind.UNREADABLE, "Failed to read the server's"),
        (b"{}", 200, Kind.UNREADABLE, "Failed to read the server's"),
        (b"[]", 200, Kind.UNREADABLE, "Failed to read the server's"),
        (b"<html>", 502, Kind.INTERNAL, "The server answered with status 502"),
        (b"{}", 404, Kind.NOT_FOUND, "The server answered with status 404"),
        (b'{"error": "no handler"}', 404, Kind.NOT_FOUND, "no handler"),
        (b'{"error": {"reason": "top", "caused_by": {"reason": "deep"}}, "status": 400}', 400, Kind.INVALID, "top"),
    ],
)
def test_what_is_no_server_of_ours_is_an_error(
    provider: Callable[..., Provider], answer: bytes, status: int, kind: Kind, words: str
) -> None:
    """Whatever answers at the address, the library says what it was in one sentence."""
    strange = provider(lambda asked: asked.answer(answer, status))
    with connect(strange.url) as ip:
        for act in (lambda: ip.chat("e", "x"), lambda: ip.embed("e", "x")):
            with pytest.raises(InferenceError, match=words) as raised:
                act()
            assert raised.value.kind is kind
            if words == "top":
                assert str(raised.value.__cause__) == "deep"


def half_said(asked: Asked) -> None:
    """Begin to answer as a server does, and break off."""
    asked.stream()
    completion = b'event: message\ndata: {"completion": [{"delta": "first"}]}\n\n'
    asked.send(completion if asked.path.endswith("/_stream") else chunk("first"))


def test_where_nobody_listens_is_told(provider: Callable[..., Provider]) -> None:
    """A server that is not there is an error with its address; one that breaks off in a stream is one too."""
    half = provider(half_said)
    with connect(half.url) as ip:
        for stream in (ip.stream_chat("e", "x"), ip.stream("e", "x")):
            with pytest.raises(InferenceError) as raised:
                list(stream)
            assert raised.value.kind is Kind.CUT_OFF
        half.__exit__()
        with pytest.raises(InferenceError, match=half.url) as raised:
            ip.chat("e", "x")
        assert raised.value.kind is Kind.CUT_OFF


def test_an_address_with_a_user_is_refused() -> None:
    """A password in an address would be shown with it, so it is not taken; and a folder takes no key."""
    with pytest.raises(InferenceError, match="no user in it") as raised:
        connect(f"http://user:{KEY}@127.0.0.1:1")
    assert KEY not in str(raised.value)
    with pytest.raises(TypeError, match="is for the address of a server"):
        connect("folder", api_key=KEY)


def test_a_notebook_opens_and_closes(server: Server) -> None:
    """Both may be done again where they are done already; before and after each use says how it is used."""
    for place in ((), (server.url,)):
        ip: Connected = connect(*place)
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"or between its open\(\) and close\(\)"):
                ip.all()
            assert ip.open().open() is ip
            ip.all()
            ip.close()
            ip.close()

    async def main(awaiting: Inferpoint) -> None:
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"or between its open\(\) and close\(\)"):
                await awaiting.all()
            assert await (await awaiting.open()).open() is awaiting
            await awaiting.all()
            await awaiting.close()
            await awaiting.close()

    for place in ((), (server.url,)):
        asyncio.run(main(Inferpoint(*place)))
