from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from clock import FakeClock, settle
from world import COMPLETION, EMBEDDING, World, body, hugging_face, json_reply, openai, told

from inferpoint import chunk
from inferpoint.api.elastic import read, write
from inferpoint.api.face import Request
from inferpoint.chunking.settings import Words
from inferpoint.clock import SystemClock
from inferpoint.engine import engine
from inferpoint.engine.chunked import LARGE, MOST_CHUNKS, ChunkingThreads
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.deadline import Deadline
from inferpoint.model.http import Call, Reply
from inferpoint.model.limits import Limits
from inferpoint.model.requests import ANONYMOUS, Chunking, InferenceRequest
from inferpoint.model.results import Chunk, ChunkedEmbeddings

MakeWorld = Callable[..., World]

SENTENCES = "One two three four five six seven eight nine ten. " * 12
SMALL = {"strategy": "sentence", "max_chunk_size": 20, "sentence_overlap": 0}
TEXTS = (SENTENCES, "Short.", "", "词语。" * 40, "👩‍👩‍👧‍👦 family\r\nline\0end " * 9)


def telling(call: Call) -> Reply:
    """A vector for each text that tells which text it was of."""
    return json_reply([[len(text), sum(map(ord, text)) % 10_000, 1] for text in body(call)["inputs"]])


def told_of(text: str) -> list[float]:
    return [len(text), sum(map(ord, text)) % 10_000, 1]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world with an embedding endpoint `e` of small chunks, and a completion endpoint `c`."""
    made = make_world(telling, validate=False)
    made.create("e", EMBEDDING, hugging_face({"rate_limit": {"requests_per_minute": 100_000}}, chunking_settings=SMALL))
    made.create("c", COMPLETION, openai())
    return made


def chunked(world: World, *texts: str, **chunking: Any) -> ChunkedEmbeddings:
    found = world.infer("e", *texts, chunking=Chunking(**chunking))
    assert isinstance(found, ChunkedEmbeddings)
    return found


def numbers(each: Chunk) -> list[float]:
    return msgspec.json.decode(each.vector)


def asking(said: Any, query: Mapping[str, str] | None = None) -> Request:
    given = said if isinstance(said, bytes) else json.dumps(said).encode()
    return Request("POST", "/", {}, query or {}, {}, given, ANONYMOUS, "1")


def refused(act: Callable[[], Any]) -> str:
    with pytest.raises(InferenceError) as caught:
        act()
    status, _, reason = told(caught.value)
    assert status == 400
    return reason


def test_every_input_has_its_own_chunks(world: World) -> None:
    """The chunks of each input are those of its settings, in order, each with the vector of its own text."""
    found = chunked(world, *TEXTS, return_text=True)
    for text, chunks in zip(TEXTS, found.inputs, strict=True):
        spans = [(start, end) for start, end in chunk(text, SMALL) if text[start:end].strip()]
        assert [(each.start_offset, each.end_offset) for each in chunks] == spans
        for each in chunks:
            assert each.text == text[each.start_offset : each.end_offset]
            assert numbers(each) == told_of(each.text)


def test_chunks_of_all_inputs_share_the_calls(world: World) -> None:
    """The chunks of many inputs go out as one row, in as few calls as the provider takes."""
    found = chunked(
        world, *("".join(f"Sentence {10 * n + m} is like any other one. " for m in range(6)) for n in range(15))
    )
    count = sum(map(len, found.inputs))
    assert [len(body(call)["inputs"]) for call in world.provider.calls] == [32, count - 32]


def test_blank_chunks_are_not_asked_for(world: World) -> None:
    """A text of white space has no chunks and others none of it, as in `semantic_text`; the preview shows all."""
    wanted = {"strategy": "recursive", "max_chunk_size": 10, "separators": ["|"]}
    blank = "\n" * 20
    found = chunked(world, "", " \n\u3000", "one two|" + "  |" * 3, settings=wanted)
    assert [len(chunks) for chunks in found.inputs] == [0, 0, len(found.inputs[2])]
    asked = [text for call in world.provider.calls for text in body(call)["inputs"]]
    assert asked
    assert all(map(str.strip, asked))
    world.provider.calls.clear()
    assert [list(chunks) for chunks in chunked(world, "", blank).inputs] == [[], []]
    assert world.provider.calls == []
    ((shown,),) = world.run(world.engine.preview((blank,), Chunking(SMALL)))
    assert shown.end_offset == len(blank)


def test_the_requests_own_settings_go_before_the_endpoints(world: World) -> None:
    """Settings in the request are for that request only, and as complete as an endpoint's."""
    wanted = {"strategy": "word", "max_chunk_size": 10, "overlap": 5}
    (chunks,) = chunked(world, SENTENCES, settings=wanted).inputs
    assert [(each.start_offset, each.end_offset) for each in chunks] == chunk(SENTENCES, wanted)
    (again,) = chunked(world, SENTENCES).inputs
    assert [(each.start_offset, each.end_offset) for each in again] == chunk(SENTENCES, SMALL)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"max_chunk_size": 10},
            "Validation Failed: 1: [chunking_settings] Invalid value [10.0]."
            " [max_chunk_size] must be greater than or equal to [20.0];",
        ),
        (
            {"max_chunk_size": 301},
            "Validation Failed: 1: [chunking_settings] Invalid value [301.0]."
            " [max_chunk_size] must be less than or equal to [300.0];",
        ),
        ({"strategy": "paragraph"}, "Invalid chunkingStrategy paragraph"),
    ],
)
def test_the_requests_own_settings_are_checked_like_an_endpoints(
    world: World, settings: Mapping[str, Any], reason: str
) -> None:
    """What an endpoint would be refused for, a request is refused for, before anybody is called."""
    assert refused(lambda: chunked(world, "text", settings=settings)) == reason
    assert world.provider.calls == []


def test_only_embeddings_are_chunked(world: World) -> None:
    """A completion cannot be asked in chunks."""
    reason = refused(lambda: world.infer("c", "text", chunking=Chunking()))
    assert reason == "Inputs cannot be chunked for task type [completion]"


def test_more_than_512_chunks_are_folded(world: World) -> None:
    """The i-th of n chunks goes to slot i·512 // n, from its first chunk's start to its last one's end, as a mean."""
    text = "Word number one is here and so it goes on and on for twenty words or even one more. " * 700
    whole = chunked(world, text, fold=False).inputs[0]
    folded = chunked(world, text).inputs[0]
    count = len(whole)
    assert count > MOST_CHUNKS == len(folded)
    slots = itertools.groupby(enumerate(whole), lambda numbered: numbered[0] * MOST_CHUNKS // count)
    for slot, (_, members) in zip(folded, slots, strict=True):
        chunks = [each for _, each in members]
        assert (slot.start_offset, slot.end_offset) == (chunks[0].start_offset, chunks[-1].end_offset)
        columns = zip(*map(numbers, chunks), strict=True)
        assert numbers(slot) == pytest.approx([sum(column) / len(chunks) for column in columns])


def test_other_requests_go_on_while_chunks_are_folded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Means of thousands of vectors are worked out off the event loop."""
    places: list[threading.Thread] = []
    regrouped = engine.chunked.regrouped

    def watched(*given: Any) -> ChunkedEmbeddings:
        places.append(threading.current_thread())
        return regrouped(*given)

    monkeypatch.setattr(engine.chunked, "regrouped", watched)
    assert len(chunked(world, "Another sentence of the text. " * 4_000).inputs[0]) == MOST_CHUNKS
    chunked(world, "Another sentence.")
    assert [place is threading.main_thread() for place in places] == [False, True]


def test_names_are_looked_up_while_many_large_texts_are_cut() -> None:
    """Texts that wait for a thread take none from the event loop, which looks up the names of providers in its own."""
    done = threading.Event()
    threads = ChunkingThreads(FakeClock())

    async def both() -> bool:
        chunking = [asyncio.ensure_future(threads.run(("x" * (LARGE + 1),), done.wait)) for _ in range(100)]
        try:
            return await asyncio.wait_for(asyncio.to_thread(lambda: True), 5)
        finally:
            done.set()
            assert all(await asyncio.gather(*chunking))
            threads.close()

    assert asyncio.run(both())


@pytest.mark.parametrize(
    ("texts", "asked", "reason"),
    [
        (["a"] * 11, None, "The request has [11] inputs, more than the [10] that are taken"),
        ([SENTENCES * 2], Chunking(), "The request has [12] chunks, more than the [10] that are taken"),
    ],
)
def test_a_request_has_so_many_inputs_or_chunks(
    make_world: MakeWorld, texts: list[str], asked: Chunking | None, reason: str
) -> None:
    """Each input and each chunk takes time and memory of all; the provider is not called for too many."""
    world = make_world(telling, validate=False, limits=Limits(inputs=10))
    world.create("e", EMBEDDING, hugging_face(chunking_settings=SMALL))
    with pytest.raises(InferenceError) as caught:
        world.infer("e", *texts, chunking=asked)
    assert str(caught.value) == reason
    assert world.provider.calls == []


def test_a_text_that_takes_too_much_memory_is_not_cut(make_world: MakeWorld) -> None:
    """A long text is refused by what cutting it could take, before it is cut."""
    world = make_world(telling, validate=False, limits=Limits(chunking_bytes=1_000_000))
    with pytest.raises(InferenceError) as caught:
        world.run(world.engine.preview(("漢字" * LARGE,), Chunking()))
    assert caught.value.kind is Kind.TOO_LARGE


@pytest.mark.parametrize("separator", ["(?:a|aa)+$", "(?:a|aa)+[xy]"])
def test_separators_of_a_caller_keep_nobody_waiting(world: World, separator: str) -> None:
    """Short texts too are searched off the event loop, all of a request within one time, or until its deadline."""
    chunking = Chunking({"strategy": "recursive", "max_chunk_size": 10, "separators": [separator]})
    endless = ("a" * 40 + "b " * 20,) * 12
    places: list[bool] = []

    async def both() -> None:
        cutting = asyncio.ensure_future(world.engine.preview(endless, chunking))
        while not cutting.done():
            places.append(True)
            await asyncio.sleep(0.001)
        await cutting

    with pytest.raises(InferenceError, match="takes too long"):
        asyncio.run(both())
    assert len(places) > 10


def test_chunking_ends_with_the_deadline() -> None:
    """A caller whose time is over is told so, however long its texts still wait for a thread."""
    release = threading.Event()

    async def late() -> None:
        threads = ChunkingThreads(SystemClock())
        blocking = [asyncio.ensure_future(threads.run(("x" * (LARGE + 1),), release.wait)) for _ in range(2)]
        await settle()
        try:
            deadline = Deadline(SystemClock().monotonic() + 0.05, 0.05)
            await threads.cut(("word " * LARGE,), Words(max_chunk_size=10, overlap=1), deadline)
        finally:
            release.set()
            await asyncio.gather(*blocking)
            threads.close()

    with pytest.raises(InferenceError, match=r"not cut into chunks within \[50ms\]") as caught:
        asyncio.run(late())
    assert caught.value.kind is Kind.TIMED_OUT


def test_a_preview_calls_nobody(world: World) -> None:
    """A preview has the chunks, the words in each and those shared with the one before, and costs nothing."""
    text = "One two three. Four five six! Seven eight nine? Ten eleven twelve."
    request = InferenceRequest((text,))
    wanted = {"strategy": "word", "max_chunk_size": 10, "overlap": 4}
    (found,) = world.run(world.engine.preview_on(world.engine.find(ANONYMOUS, "e"), request, Chunking(wanted)))
    assert [(each.start_offset, each.end_offset) for each in found] == chunk(text, wanted)
    assert [(each.words, each.overlap) for each in found] == [(10, 0), (6, 4)]
    assert [each.text for each in found] == [text[start:end] for start, end in chunk(text, wanted)]
    assert world.run(world.engine.preview((text,), Chunking(wanted))) == [found]
    assert world.provider.calls == []


def test_other_requests_go_on_while_a_large_text_is_cut(world: World) -> None:
    """A text of seven megabytes is cut off the event loop, which goes on turning."""

    async def both() -> int:
        turns = 0
        chunking = asyncio.ensure_future(
            world.engine.preview(("Another sentence of the text. " * 250_000,), Chunking())
        )
        while not chunking.done():
            await settle()
            turns += 1
        assert len(chunking.result()[0]) > MOST_CHUNKS
        return turns

    assert asyncio.run(both()) > 10


def test_the_answer_has_the_form_of_semantic_text(world: World) -> None:
    """Each input has its chunks, with offsets and `embeddings`, and the text where it was asked for."""
    request = read.inference(asking({"input": ["a b", "c"], "chunked": True, "return_text": True}), EMBEDDING)
    found = world.run(world.inferring("e", request))
    assert json.loads(write.result(found, EMBEDDING).body) == {
        "text_embedding": [
            {"chunks": [{"start_offset": 0, "end_offset": 3, "text": "a b", "embeddings": told_of("a b")}]},
            {"chunks": [{"start_offset": 0, "end_offset": 1, "text": "c", "embeddings": told_of("c")}]},
        ]
    }


def test_chunks_are_asked_for_in_the_query_or_in_the_body() -> None:
    """`chunked` is a parameter and a field, and the field goes first."""
    said = {"input": "a"}
    assert read.inference(asking(said, {"chunked": "true"}), EMBEDDING).chunking == Chunking()
    assert read.inference(asking({**said, "chunked": True, "fold": False}), EMBEDDING).chunking == Chunking(fold=False)
    assert read.inference(asking({**said, "chunked": False}, {"chunked": "true"}), EMBEDDING).chunking is None
    assert read.inference(asking(said), EMBEDDING).chunking is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"chunked": 1}, "Field [chunked] must be true or false"),
        ({"chunked": True, "fold": "no"}, "Field [fold] must be true or false"),
        ({"chunked": True, "chunking_settings": []}, "Field [chunking_settings] must be an object"),
        ({"chunking_settings": {}}, "Field [chunking_settings] needs [chunked] to be true"),
        ({"return_text": True}, "Field [return_text] needs [chunked] to be true"),
    ],
)
def test_wrong_fields_about_chunks_are_told(said: Mapping[str, Any], reason: str) -> None:
    """A field of the wrong type, or one that would do nothing, is refused by its name."""
    told_reason = refused(lambda: read.inference(asking({"input": "a", **said}), EMBEDDING))
    assert told_reason == f"Validation Failed: 1: {reason};"


def test_a_lone_surrogate_is_no_json() -> None:
    """Half of a character cannot be in a request: the body is refused, and nobody is called."""
    assert "is not JSON" in refused(lambda: read.preview(asking(b'{"input": "\\ud800"}')))


@pytest.mark.parametrize("text", ["", " \t\n ", "\0" * 10, "x" * 10_000_000, "\r\n" * 1000, "กขค" * 500, "🏳️‍🌈" * 300])
def test_strange_texts_have_chunks(world: World, text: str) -> None:
    """Whatever a text is made of, its chunks begin at its beginning, end at its end, and follow one another."""
    (found,) = world.run(world.engine.preview((text,), Chunking(SMALL)))
    assert found[-1].end_offset == len(text)
    for before, after in itertools.pairwise(found):
        assert before.start_offset < after.start_offset <= before.end_offset < after.end_offset
