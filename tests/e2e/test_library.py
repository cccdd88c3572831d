"""The engine in a program of one's own: both classes against providers over sockets, and the local model."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from emulated_provider import END, Asked, Provider, begun, chunk, said, silence, vectors
from real_processes import PATIENCE, ROOT, Program, environ, run
from real_processes import Inferpoint as Server

from inferpoint import InferenceError, Inferpoint, connect
from inferpoint.errors import Kind
from inferpoint.library import Connected
from inferpoint.model.results import ChunkedEmbeddings, Completion, Embeddings, Finished, Started, Text

KEY = "sk-canary-0123456789"
CHAT = {"task_type": "completion", "service": "openai", "service_settings": {"api_key": KEY, "model_id": "m"}}
OPEN = pytest.mark.parametrize("opened", ["awaiting", "waiting"])


class Awaited:
    """`Inferpoint` with its methods awaited, so that one test is for both classes."""

    def __init__(self, inferpoint: Inferpoint, run: Callable[[Any], Any]) -> None:
        self._inferpoint, self._run = inferpoint, run

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *given, **named: self._run(getattr(self._inferpoint, name)(*given, **named))

    def stream(self, *given: Any, **named: Any) -> Iterator[Any]:
        async def read() -> list[Any]:
            return [delta async for delta in self._inferpoint.stream(*given, **named)]

        return iter(self._run(read()))


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    yield


def using(opened: str, work: Callable[[Any], None], *given: Any, **named: Any) -> None:
    """Do *work* with an open Inferpoint of either class."""
    if opened == "waiting":
        with connect(*given, **named) as ip:
            work(ip)
        return
    with asyncio.Runner() as runner:
        ip = Inferpoint(*given, **named)
        runner.run(ip.__aenter__())
        try:
            work(Awaited(ip, runner.run))
        finally:
            runner.run(ip.__aexit__(None, None, None))


def chat(asked: Asked) -> None:
    """Answer as OpenAI does: an echo, whole or in pieces."""
    given = asked.json
    text = given["messages"][0]["content"]
    if given["stream"]:
        asked.stream()
        asked.send(b"".join(chunk(word) for word in (text, "!")) + END)
    else:
        asked.answer(said(text))


def on(provider: Provider, **more: Any) -> dict[str, Any]:
    """A completion endpoint on *provider*."""
    settings = {"api_key": KEY, "model_id": "m", "url": f"{provider.url}/v1/chat/completions"}
    return {"task_type": "completion", "service": "openai", "service_settings": settings, **more}


def embedding_on(provider: Provider, **more: Any) -> dict[str, Any]:
    """An embedding endpoint on *provider*."""
    settings = {"api_key": KEY, "url": provider.url}
    return {"task_type": "text_embedding", "service": "hugging_face", "service_settings": settings, **more}


@OPEN
def test_an_endpoint_s_life(opened: str, provider: Callable[..., Provider]) -> None:
    """Endpoints are made, shown, changed, called and deleted; no key is ever shown."""
    playing, embedding = provider(chat), provider(vectors)

    def work(ip: Any) -> None:
        made = ip.put("chat", **on(playing))
        assert made["service_settings"]["model_id"] == "m"
        assert ip.get("chat") == made
        ip.put("vectors", **embedding_on(embedding))
        assert [each["inference_id"] for each in ip.all()] == ["chat", "vectors"]
        assert [each["inference_id"] for each in ip.all("completion")] == ["chat"]
        changed = ip.update("chat", service_settings={"rate_limit": {"requests_per_minute": 5000}})
        assert changed["service_settings"]["rate_limit"] == {"requests_per_minute": 5000}
        found = ip.infer("chat", "Hello")
        assert isinstance(found, Completion)
        assert found.choices[0].text == "Hello"
        deltas = list(ip.stream("chat", "Hello"))
        assert deltas == [Started("c", "m"), Text("Hello"), Text("!"), Finished(0, "stop")]
        embedded = ip.infer("vectors", ["a", "b"], input_type="search", timeout=30)
        assert isinstance(embedded, Embeddings)
        assert embedded.numbers() == [[0.6, 0.0, 0.8]] * 2
        assert KEY not in str([made, changed, ip.all()])
        ip.delete("chat")
        assert [each["inference_id"] for each in ip.all()] == ["vectors"]
        shown = ip.get("vectors")
        ip.delete("vectors")
        again = {**shown, "service_settings": {**shown["service_settings"], "api_key": KEY}}
        assert ip.put(**again) == shown

    using(opened, work)


@OPEN
def test_nothing_is_left_once_it_is_closed(opened: str, provider: Callable[..., Provider], tmp_path: Path) -> None:
    """No thread, and of what was written only files that are whole: none that SQLite keeps beside an open one."""
    embedding = provider(vectors)
    before = set(threading.enumerate())

    def work(ip: Any) -> None:
        ip.put("vectors", **embedding_on(embedding, cache={"disk_bytes": 10**6}))
        ip.infer("vectors", ["a"])

    using(opened, work, tmp_path / "data")
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert [name for name in left if "process_request" not in name] == []  # but for the provider's
    assert [path.name for path in (tmp_path / "data").glob("*.db*") if path.suffix != ".db"] == []
    assert len(list((tmp_path / "data").glob("cache*"))) == 1


def test_what_a_killed_program_left_of_caches_goes(tmp_path: Path) -> None:
    """The files of caches whose endpoints are gone are removed from a folder that is opened."""
    left = [tmp_path / f"cache-{'0' * 32}.db{end}" for end in ("", "-wal", "-shm")]
    for path in left:
        path.touch()
    with connect(tmp_path):
        assert not any(path.exists() for path in left)


@OPEN
def test_what_fails_of_a_list_is_told_when_asked(opened: str, provider: Callable[..., Provider]) -> None:
    """With `partial` an input has its vector or its error, chunked or not; without, the error says whose it is."""

    def work(ip: Any) -> None:
        ip.put("vectors", **embedding_on(provider(vectors)))
        for chunked in (False, True):
            found = ip.infer("vectors", ["a", "refused", "c"], partial=True, chunked=chunked)
            assert isinstance(found, ChunkedEmbeddings if chunked else Embeddings)
            assert {index: error.index for index, error in found.errors.items()} == {1: 1}
        whole = ip.infer("vectors", ["a", "c"], partial=True)
        assert (whole.errors, len(whole.numbers())) == ({}, 2)
        with pytest.raises(InferenceError, match=r"^Input \[1\]: ") as raised:
            ip.infer("vectors", ["a", "refused", "c"])
        assert raised.value.index == 1

    using(opened, work)


@OPEN
def test_long_texts_are_cut_when_asked(opened: str, provider: Callable[..., Provider]) -> None:
    """Chunks come with their places, texts and vectors, by the endpoint's settings or the request's own."""
    text = " ".join(f"word{number}" for number in range(60))

    def work(ip: Any) -> None:
        word = {"strategy": "word", "max_chunk_size": 20, "overlap": 0}
        ip.put("vectors", **embedding_on(provider(vectors), chunking_settings=word))
        found = ip.infer("vectors", [text, "short"], chunked=True)
        assert isinstance(found, ChunkedEmbeddings)
        assert [len(chunks) for chunks in found.inputs] == [3, 1]
        for each in found.inputs[0]:
            assert each.text == text[each.start_offset : each.end_offset]
            assert json.loads(bytes(each.vector)) == [0.6, 0.0, 0.8]
        whole = ip.infer("vectors", text, chunked=True, chunking_settings={"strategy": "none"})
        assert [len(chunks) for chunks in whole.inputs] == [1]
        with pytest.raises(InferenceError, match=r"needs \[chunked\] to be true"):
            ip.infer("vectors", text, chunking_settings={"strategy": "none"})
        with pytest.raises(InferenceError, match="max_chunk_size"):
            ip.infer("vectors", text, chunked=True, chunking_settings={**word, "max_chunk_size": 1})

    using(opened, work)


@OPEN
def test_an_endpoint_has_aliases_and_a_cache(opened: str, tmp_path: Path, provider: Callable[..., Provider]) -> None:
    """Both are given, changed and left alone as in the configuration of a server."""

    def work(ip: Any) -> None:
        config = embedding_on(provider(vectors))
        made = ip.put("vectors", **config, aliases=("one", "two"), cache={"disk_bytes": 10**6})
        assert made["aliases"] == ["one", "two"]
        assert made["cache"] == {"memory_bytes": 64 * 1024 * 1024, "disk_bytes": 10**6}
        assert ip.infer("one", "a").vectors == ip.infer("vectors", "a").vectors
        assert ip.update("vectors", aliases=[])["cache"] == made["cache"]
        assert ip.update("vectors", cache={"memory_bytes": 0})["cache"] == {"memory_bytes": 0, "disk_bytes": 0}
        assert "aliases" not in ip.get("vectors")
        with pytest.raises(InferenceError, match=r"\[vectors\] cannot be converted to a \[List\]"):
            ip.update("vectors", aliases="vectors")

    using(opened, work, tmp_path)


@OPEN
def test_the_local_model_needs_no_provider(opened: str, server: Server, local_model: str, tmp_path: Path) -> None:
    """The model in this process embeds without a server and without a network."""
    (tmp_path / "models").symlink_to(server.data_dir / "models")

    def work(ip: Any) -> None:
        given = {"service": "elasticsearch", "service_settings": {"model_id": local_model}}
        made = ip.put("minilm", task_type="text_embedding", **given)
        assert made["service_settings"]["dimensions"] == 384
        rows = ip.infer("minilm", ["a cat", "a kitten", "an invoice"]).numbers()
        near, far = (sum(a * b for a, b in zip(rows[0], row, strict=True)) for row in rows[1:])
        assert near > far

    using(opened, work, tmp_path)


@OPEN
def test_in_memory_nothing_is_kept(opened: str, provider: Callable[..., Provider]) -> None:
    """Without a folder endpoints end with the block, also of one object that is opened twice."""
    playing = provider(chat)
    using(opened, lambda ip: ip.put("chat", **on(playing)))
    using(opened, lambda ip: [].extend(ip.all()) if not ip.all() else pytest.fail("something was kept"))


@OPEN
def test_in_a_folder_everything_is_kept(opened: str, tmp_path: Path, provider: Callable[..., Provider]) -> None:
    """With a folder endpoints are there again, keys included, and no key stands in a file as it is."""
    playing, folder = provider(chat), tmp_path / "data"
    using(opened, lambda ip: ip.put("chat", **on(playing)), folder)
    for path in folder.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes()

    def work(ip: Any) -> None:
        assert ip.infer("chat", "again").choices[0].text == "again"

    using(opened, work, folder)
    assert [playing.next().headers["authorization"] for _ in range(2)] == [f"Bearer {KEY}"] * 2


@OPEN
def test_a_folder_in_use_is_refused(opened: str, server: Server) -> None:
    """A folder that a server has is refused in one sentence."""
    with pytest.raises(InferenceError) as raised:
        using(opened, lambda _: None, server.data_dir)
    assert str(raised.value) == f"The data folder {server.data_dir} is in use by another process"
    assert raised.value.kind is Kind.CONFLICT


def test_one_object_opens_again_and_not_twice(tmp_path: Path) -> None:
    """What was closed may be opened again, what is open may not, and a folder refused is no folder kept."""
    ip = connect(tmp_path / "data")
    for _ in range(2):
        with ip:
            assert ip.all() == []
            with pytest.raises(RuntimeError, match="open already"), ip:
                pass
            with pytest.raises(InferenceError, match="in use"), connect(tmp_path / "data"):
                pass
            assert ip.all() == []

    async def main() -> None:
        awaiting = Inferpoint(tmp_path / "data")
        for _ in range(2):
            async with awaiting:
                assert await awaiting.all() == []
                with pytest.raises(RuntimeError, match="open already"):
                    await awaiting.__aenter__()

    asyncio.run(main())


def test_outside_its_block_it_says_where_it_is_used() -> None:
    """Before and after its block every method says so at once, and nothing is left behind unawaited."""
    ip = connect()
    for _ in range(2):
        for use in (ip.all, lambda: ip.get("e"), lambda: ip.infer("e", "x"), lambda: list(ip.stream("e", "x"))):
            with pytest.raises(RuntimeError, match="is used inside `with"):
                use()
        with ip:
            pass
    with pytest.raises(RuntimeError, match="is used inside `async with"):
        asyncio.run(Inferpoint().all())
    gc.collect()


@OPEN
def test_what_goes_wrong_is_an_inference_error(opened: str, provider: Callable[..., Provider]) -> None:
    """Each mistake is an `InferenceError` of the right kind, whichever method it is made in."""
    playing = provider(lambda asked: asked.answer({"error": {"message": "no such key"}}, 401))
    wrong = {"task_type": "completion", "service": "openai", "service_settings": {}}
    cases: list[tuple[Callable[[Any], Any], Kind]] = [
        (lambda ip: ip.get("none"), Kind.NOT_FOUND),
        (lambda ip: ip.infer("none", "x"), Kind.NOT_FOUND),
        (lambda ip: list(ip.stream("none", "x")), Kind.NOT_FOUND),
        (lambda ip: ip.delete("none"), Kind.NOT_FOUND),
        (lambda ip: ip.update("none", task_settings={"user": "u"}), Kind.NOT_FOUND),
        (lambda ip: ip.all("nothing"), Kind.INVALID),
        (lambda ip: ip.put("e", **wrong), Kind.INVALID),
        (lambda ip: ip.put("e", **{**wrong, "service": "nobody"}), Kind.INVALID),
        (lambda ip: ip.put("e", **{**wrong, "task_type": "nothing"}), Kind.INVALID),
        (lambda ip: ip.put("E!", **on(playing)), Kind.INVALID),
        (lambda ip: ip.infer("chat", "x"), Kind.UNAUTHENTICATED),
        (lambda ip: list(ip.stream("chat", "x")), Kind.UNAUTHENTICATED),
        (lambda ip: ip.infer("chat", []), Kind.INVALID),
        (lambda ip: ip.infer("chat", [1]), Kind.INVALID),
        (lambda ip: ip.infer("chat", ["a", "b"]), Kind.INVALID),
        (lambda ip: ip.infer("chat", "x", chunked=True), Kind.INVALID),
        (lambda ip: ip.infer("chat", "x", partial=True), Kind.INVALID),
        (lambda ip: ip.infer("chat", "x", input_type="nothing"), Kind.INVALID),
        (lambda ip: ip.infer("chat", "x", task_settings={"nothing": 1}), Kind.INVALID),
    ]

    def work(ip: Any) -> None:
        ip.put("chat", **on(playing))
        for number, (act, kind) in enumerate(cases):
            with pytest.raises(InferenceError) as raised:
                act(ip)
            assert raised.value.kind is kind, number
            assert KEY not in str(raised.value)

    using(opened, work, validate=False)


@OPEN
def test_a_call_takes_no_longer_than_its_timeout(opened: str, provider: Callable[..., Provider]) -> None:
    """A provider that never answers is left when the time is over."""
    silent = provider(silence)

    def work(ip: Any) -> None:
        ip.put("chat", **on(silent))
        for act in (lambda: ip.infer("chat", "x", timeout=0.2), lambda: list(ip.stream("chat", "x", timeout=0.2))):
            with pytest.raises(InferenceError) as raised:
                act()
            assert raised.value.kind is Kind.TIMED_OUT
            assert silent.next().left.wait(PATIENCE)

    using(opened, work, validate=False)


@OPEN
def test_an_endpoint_is_tried_no_longer_than_its_timeout(opened: str, provider: Callable[..., Provider]) -> None:
    """One whose provider does not answer in time is not kept, and the error has the reason as its cause."""
    silent = provider(silence)

    def work(ip: Any) -> None:
        with pytest.raises(InferenceError) as raised:
            ip.put("chat", **on(silent), timeout=0.2)
        assert isinstance(raised.value.__cause__, InferenceError)
        assert raised.value.__cause__.kind is Kind.TIMED_OUT
        assert silent.next().left.wait(PATIENCE)
        assert ip.all() == []

    using(opened, work)


def test_a_loop_that_runs_already_is_no_hindrance(provider: Callable[..., Provider]) -> None:
    """As in a notebook, code that waits works where a loop of somebody else's runs in the same thread."""
    playing = provider(chat)

    async def cell() -> None:
        with connect() as ip:
            ip.put("chat", **on(playing))
            assert ip.infer("chat", "Hello").choices[0].text == "Hello"
            assert Text("!") in list(ip.stream("chat", "Hello"))

    asyncio.run(cell())


def test_leaving_a_stream_early_closes_it(provider: Callable[..., Provider]) -> None:
    """Breaking out of a loop over a stream closes the provider's connection, and others go on."""
    half = provider(begun)
    with connect(validate=False) as ip:
        ip.put("chat", **on(half))
        for delta in ip.stream("chat", "x"):
            if isinstance(delta, Text):
                break
        assert half.next().left.wait(PATIENCE)
        assert len(ip.all()) == 1

    async def main() -> None:
        async with Inferpoint(validate=False) as ip:
            await ip.put("chat", **on(half))
            async for delta in ip.stream("chat", "x"):
                if isinstance(delta, Text):
                    break
            asked = half.next()
            assert await asyncio.to_thread(asked.left.wait, PATIENCE)

    asyncio.run(main())


def test_a_stream_that_is_closed_leaves_nothing_to_be_collected(provider: Callable[..., Provider]) -> None:
    """Its connection is closed when `aclose` returns, by nobody else, as loops without asyncio's hooks need."""
    half = provider(begun)
    collected: list[Any] = []

    async def main() -> None:
        async with Inferpoint(validate=False) as ip:
            await ip.put("chat", **on(half))
            sys.set_asyncgen_hooks(finalizer=collected.append)
            pieces = ip.stream("chat", "x")
            await anext(pieces)
            await pieces.aclose()
            assert collected == []
            assert await asyncio.to_thread(half.next().left.wait, PATIENCE)

    asyncio.run(main())


def test_a_stream_that_is_kept_may_be_forgotten_anywhere(provider: Callable[..., Provider]) -> None:
    """One that is collected in the loop's own thread does not stop the loop; one that is never read costs nothing."""
    half = provider(begun)
    with connect(validate=False) as ip:
        ip.put("chat", **on(half))
        ip.stream("chat", "x")
        pieces = ip.stream("chat", "x")
        next(pieces)
        kept: list[Any] = [pieces]
        del pieces
        assert ip._portal._submit(kept.clear)
        assert half.next().left.wait(PATIENCE)
        assert len(ip.all()) == 1
        late = ip.stream("chat", "x")
        next(late)
    assert half.next().left.wait(PATIENCE)
    late.close()
    assert half.asked.empty()


def test_cancelling_closes_the_connection(provider: Callable[..., Provider]) -> None:
    """A task that is cancelled as it waits closes the provider's connection."""
    silent = provider(silence)

    async def main() -> None:
        async with Inferpoint(validate=False) as ip:
            await ip.put("chat", **on(silent))
            waiting = asyncio.create_task(ip.infer("chat", "x"))
            asked = await asyncio.to_thread(silent.next)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await asyncio.to_thread(asked.left.wait, PATIENCE)

    asyncio.run(main())


INTERRUPTED = """
import inferpoint, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a runner in the background hands on that it is ignored
url, act = sys.argv[1:]
settings = {"api_key": "k", "model_id": "m", "url": url}
with inferpoint.connect(validate=False) as ip:
    ip.put("chat", task_type="completion", service="openai", service_settings=settings)
    for _ in range(2):
        try:
            if act == "infer":
                ip.infer("chat", "x")
            for delta in ip.stream("chat", "x"):
                print(type(delta).__name__, flush=True)
        except KeyboardInterrupt:
            print("interrupted", len(ip.all()), flush=True)
"""


@pytest.mark.parametrize(
    ("act", "answer", "written"),
    [("infer", silence, b""), ("stream", silence, b""), ("stream", begun, b"Started\nText\n")],
    ids=["whole", "silent stream", "stream"],
)
def test_interrupting_closes_the_connection(
    provider: Callable[..., Provider], tmp_path: Path, act: str, answer: Callable[[Asked], None], written: bytes
) -> None:
    """Ctrl-C in a call that waits closes the provider's connection, and the object can be used again."""
    slow = provider(answer)
    command = (sys.executable, "-W", "error", "-c", INTERRUPTED, f"{slow.url}/v1", act)
    with Program(command, environ(tmp_path)) as program:
        for count in (1, 2):
            asked = slow.next()
            program.until(b"(?s)^(.*interrupted 1\n){%d}%s" % (count - 1, written))
            program.tell(signal.SIGINT)
            assert asked.left.wait(PATIENCE)
            program.until(b"(?s)^(.*interrupted 1\n){%d}" % count)
        assert program.ended() == 0
        assert program.written == (written + b"interrupted 1\n") * 2


def test_threads_share_one_object(provider: Callable[..., Provider]) -> None:
    """Many threads call, stream and look at once, each with its own answer."""
    playing = provider(chat)
    with connect(validate=False) as ip:
        ip.put("chat", **on(playing), task_settings=None)
        ip.update("chat", service_settings={"rate_limit": {"requests_per_minute": 1_000_000}})

        def work(number: int) -> None:
            text = f"text {number}"
            assert ip.infer("chat", text).choices[0].text == text
            assert next(each for each in ip.stream("chat", text) if isinstance(each, Text)) == Text(text)
            assert ip.get("chat")["inference_id"] == "chat"

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(work, range(64)))


def test_closing_gives_up_what_other_threads_wait_for(provider: Callable[..., Provider]) -> None:
    """A thread that waits as another one closes is told so, and the provider's connection is closed."""
    silent = provider(silence)
    found: list[BaseException] = []

    def work(ip: Connected) -> None:
        try:
            ip.infer("chat", "x")
        except InferenceError as error:
            found.append(error)

    with connect(validate=False) as ip:
        ip.put("chat", **on(silent))
        waiting = threading.Thread(target=work, args=(ip,))
        waiting.start()
        asked = silent.next()
    waiting.join(PATIENCE)
    assert asked.left.wait(PATIENCE)
    assert [str(error) for error in found] == ["Inferpoint was closed before the answer came"]


ENDS = """
import sys, threading, inferpoint
url = sys.argv[1]
ip = inferpoint.connect(validate=False)
ip.__enter__()
ip.put("chat", task_type="completion", service="openai", service_settings={"api_key": "k", "model_id": "m", "url": url})
threading.Thread(target=ip.infer, args=("chat", "x"), daemon=True).start()
pieces = ip.stream("chat", "x")
threading.Thread(target=list, args=(pieces,), daemon=True).start()
print("asked", flush=True)
sys.stdin.readline()
"""


def test_a_program_ends_without_closing(provider: Callable[..., Provider], tmp_path: Path) -> None:
    """A program that ends as calls wait, and closes nothing, ends all the same."""
    silent = provider(silence)
    command = (sys.executable, "-c", ENDS, f"{silent.url}/v1")
    with Program(command, environ(tmp_path)) as program:  # its standard input is empty
        program.until(b"asked")
        assert program.ended() == 0
        assert b"Traceback" not in program.written


def test_no_thread_is_left() -> None:
    """After its block the loop's thread has ended."""
    with connect() as ip:
        assert ip.all() == []
        assert any(each.name == "inferpoint" for each in threading.enumerate())
    assert not any(each.name == "inferpoint" for each in threading.enumerate())


def methods(cls: type[Any]) -> dict[str, Any]:
    return {name: each for name, each in vars(cls).items() if inspect.isfunction(each) and not name.startswith("_")}


def test_every_method_waits_where_there_is_no_await() -> None:
    """Whatever a program can await, a program that does not can call, and reads the same help for it."""
    waiting = methods(Connected)
    assert waiting.keys() == methods(Inferpoint).keys()
    for name, method in methods(Inferpoint).items():
        assert waiting[name].__doc__ == method.__doc__
        assert not inspect.iscoroutinefunction(waiting[name])
        assert inspect.signature(waiting[name]).parameters == inspect.signature(method).parameters
    assert inspect.signature(Connected.stream).return_annotation == "Generator[Delta]"


@OPEN
@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda ip: ip.put("e", task_type="completion"), "put.* missing .*: 'service', 'service_settings'$"),
        (lambda ip: ip.put("e", **CHAT, taskSettings={}), "put.* unexpected keyword argument 'taskSettings'$"),
        (lambda ip: ip.put("e", "completion", **CHAT), "put.* takes 2 positional arguments"),
        (lambda ip: ip.update("e", service="openai"), "update.* unexpected keyword argument 'service'$"),
        (lambda ip: ip.infer("e", "x", input="y"), "infer.* unexpected keyword argument 'input'$"),
        (lambda ip: ip.infer("e"), "infer.* missing .*'texts'$"),
        (lambda ip: ip.stream("e", "x", chunked=True), "stream.* unexpected keyword argument 'chunked'$"),
    ],
)
def test_a_name_that_is_no_parameter_is_refused(opened: str, act: Callable[[Any], Any], message: str) -> None:
    """A misspelt, misplaced or missing argument is Python's own `TypeError`, and names method and argument."""
    with pytest.raises(TypeError, match=message):
        using(opened, act, validate=False)


@OPEN
def test_what_is_none_is_not_given(opened: str, provider: Callable[..., Provider]) -> None:
    """An optional argument that is None is one that was left out, whichever it is."""
    sections = dict.fromkeys(("task_settings", "chunking_settings", "aliases", "cache"))

    def work(ip: Any) -> None:
        made = ip.put("chat", **on(provider(chat)), **sections, timeout=None)
        changed = ip.update("chat", **{**sections, "task_settings": {"user": "u"}}, service_settings=None)
        assert changed == {**made, "task_settings": {"user": "u"}}
        options = dict.fromkeys(("input_type", "chunking_settings", "task_settings", "timeout"))
        assert ip.infer("chat", "Hello", **options).choices[0].text == "Hello"

    using(opened, work)


def test_it_is_typed() -> None:
    """The package says that it is typed, and pyright reads the file of uses that nothing runs."""
    assert (ROOT / "src/inferpoint/py.typed").exists()
    assert '"tests/typing"' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_a_program_without_warnings(provider: Callable[..., Provider], tmp_path: Path) -> None:
    """A whole program with every warning an error writes nothing on standard error."""
    text = (
        "import inferpoint, sys\nwith inferpoint.connect() as ip:\n"
        "    ip.put('v', task_type='text_embedding', service='hugging_face',"
        " service_settings={'api_key': 'k', 'url': sys.argv[1]})\n"
        "    print(len(ip.infer('v', ['a', 'b']).numbers()))\n"
    )
    command = (sys.executable, "-W", "error", "-c", text, provider(vectors).url)
    done = run(command, environ(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")
