"""Bodies of few bytes, or in many at once, take no more than they may; what JSON leaves open is the same everywhere."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from typing import Any

import pytest
from clock import settle
from in_process import Application, Told, head
from world import EMBEDDING, World, hugging_face, json_reply

from inferpoint.api import bodies
from inferpoint.model.limits import Limits

MakeWorld = Callable[..., World]
ROOMY = Limits()
PACKED = {"content-encoding": "gzip", "content-type": "application/json"}


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    made = make_world(lambda _: json_reply([[1, 2]]), validate=False)
    made.create("e", EMBEDDING, hugging_face())
    return made


def asked(world: World, body: bytes, limits: Limits, **headers: str) -> tuple[int, str]:
    """The status and the reason of an answer to *body*; afterwards nothing is held."""
    application = Application(world, limits=limits)
    told = application("POST", "/_inference/e", body, headers=headers or None)
    assert application.memory.held == 0
    return told.status, told.json["error"]["reason"] if told.status != 200 else ""


@pytest.mark.parametrize(("length", "refused"), [(10, False), (11, True), (10**17, True)])
def test_a_body_that_says_it_is_too_large_is_refused(world: World, length: int, refused: bool) -> None:
    """It is refused before a byte of it has come, and one that may come is waited for."""

    async def main() -> bytes:
        caller = Application(world, most=10).caller()
        caller.say(head("POST /_inference/e HTTP/1.1", {"host": "localhost", "content-length": str(length)}))
        await settle()
        told = caller.told
        caller.leave()
        await caller.answered()
        return told

    told = world.run(main())
    assert (Told(told).json["error"]["reason"] if told else "") == (
        "The request body is larger than [10] bytes" if refused else ""
    )


@pytest.mark.parametrize(
    ("value", "count"), [("[]", 100_000), ('""', 100_000), ('{"a":[]}', 50_000), ("1", 100_000), ("[[[[]]]]", 30_000)]
)
def test_values_are_bounded_before_one_is_built(world: World, value: str, count: int) -> None:
    """A body of more values than are read is refused by its size and not by what the values are."""
    body = f'{{"input":[{",".join([value] * count)}]}}'.encode()
    status, reason = asked(world, body, Limits(body_values=99_999))
    assert (status, reason.split("[")[0]) == (413, "The request body has ")


def test_texts_may_hold_what_divides_values(world: World) -> None:
    """Commas, brackets and colons of a text are none of the body's."""
    body = b'{"input":["' + b',:[{\\"' * 50_000 + b'"]}'
    assert asked(world, body, Limits(body_values=10)) == (200, "")


def test_a_packed_body_is_no_larger_than_its_size_allows(world: World) -> None:
    """What unpacks to more than so many times its packed size is refused, beyond a size that hurts nobody."""
    small, large = (gzip.compress(b'{"input":["' + b"a" * size + b'"]}') for size in (900_000, 3_000_000))
    assert asked(world, small, ROOMY, **PACKED) == (200, "")
    assert asked(world, large, ROOMY, **PACKED)[0] == 413
    assert asked(world, large, Limits(gzip_ratio=1500), **PACKED) == (200, "")


@pytest.mark.parametrize(("text", "status"), [("a", 200), ("é", 200), ("😀", 413)])
def test_a_body_that_needs_all_memory_is_refused(world: World, text: str, status: int) -> None:
    """What is held is what a body takes once it is read: four times as much for one wide character."""
    body = ('{"input":["' + "a" * 600_000 + text + '"]}').encode()
    assert asked(world, body, Limits(held_bytes=2_000_000))[0] == status


def test_without_room_a_request_may_come_again(world: World) -> None:
    """A request is refused while others hold all the memory, and answered afterwards."""
    application = Application(world, limits=Limits(held_bytes=1000))
    others = application.memory.share()
    others.take(999)
    told = application("POST", "/_inference/e", {"input": "a"})
    assert told.status == 429
    assert int(told.headers["retry-after"]) > 0
    others.close()
    assert application("POST", "/_inference/e", {"input": "a"}).status == 200


@pytest.mark.parametrize(
    ("body", "headers", "elsewhere"),
    [
        (b'{"input":["a"]}', {}, False),
        (b'{"input":["' + b"a" * 70_000 + b'"]}', {}, True),
        (gzip.compress(b'{"input":["a"]}'), PACKED, False),
        (gzip.compress(b'{"input":["' + bytes(range(97, 122)) * 40_000 + b'"]}'), PACKED, True),
    ],
)
def test_large_bodies_are_read_off_the_event_loop(
    world: World, monkeypatch: pytest.MonkeyPatch, body: bytes, headers: dict[str, str], elsewhere: bool
) -> None:
    """Others go on while a body is read that takes longer than a moment."""
    places: list[threading.Thread] = []
    decoded = bodies.decoded

    def watched(*arguments: Any) -> Any:
        places.append(threading.current_thread())
        return decoded(*arguments)

    monkeypatch.setattr(bodies, "decoded", watched)
    assert asked(world, body, ROOMY, **headers) == (200, "")
    assert [place is not threading.main_thread() for place in places] == [elsewhere]


@pytest.mark.parametrize(
    ("path", "member"),
    [
        ("/_inference/tei", "input"),
        ("/_inference/chat_completion/chat/_stream", "messages"),
        ("/v1/embeddings", "input"),
        ("/v1/chat/completions", "messages"),
        ("/v1/responses", "input"),
        ("/v1/messages", "messages"),
        ("/v2/embed", "texts"),
        ("/v2/rerank", "documents"),
    ],
)
def test_a_member_twice_is_refused_at_every_face(ask: Application, path: str, member: str) -> None:
    """Of two members of one name none is lost in silence, and no provider is called."""
    told = ask("POST", path, f'{{"{member}":["a"],"{member}":["b"]}}'.encode())
    assert told.status == 400
    assert member in told.body.decode()
    assert "twice" in told.body.decode() or f"[1:{len(member) + 11}] Duplicate field '{member}'" in told.body.decode()
    assert ask.world.provider.calls == []
