"""What every service promises, asked of every task of each: a new service is asked as soon as it is there.

The promises are the kit's, which authors of other services run too. Here are also those that need hypothesis, or a
whole engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import World

from inferpoint import services
from inferpoint.errors import InferenceError
from inferpoint.model.http import Call, Reply
from inferpoint.model.results import Embeddings
from inferpoint.testing import Question, questions
from inferpoint.testing.conversations import Exchange, RecordedTask
from inferpoint.testing.files import Many
from inferpoint.testing.promises.checks import numbers
from inferpoint.testing.promises.vectors import answered, firsts
from inferpoint.testing.strange import put

HERE = Path(__file__).parent
FILES = services._files()
BUILT_IN = [name for name in services.names() if services._file(name) in FILES]
TASKS = {
    f"{name}-{kind.value}": RecordedTask(services.find(name), kind, HERE / name)
    for name in BUILT_IN
    for kind in services.find(name).tasks
}
READABLE = {name: recorded for name, recorded in TASKS.items() if recorded.readable}  # a promise tells of the others


def conversations(*, streamed: bool) -> list[Any]:
    return [
        pytest.param(exchange, id=f"{name}-{number}")
        for name, recorded in READABLE.items()
        if recorded.shown_by is recorded.kind
        for number, exchange in enumerate(recorded.exchanges())
        if exchange.recording.stream is streamed
    ]


few = settings(max_examples=10)  # of each of some two hundred conversations
whole = pytest.mark.parametrize("exchange", conversations(streamed=False))
streamed = pytest.mark.parametrize("exchange", conversations(streamed=True))


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(each, id=f"{name}-{each.id}")
        for name in BUILT_IN
        for each in questions(services.find(name), HERE / name)
    ],
)
def test_every_promise_is_kept(question: Question) -> None:
    """What the kit asks of a service, ours keep too."""
    question.ask()


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_file_is_called_what_its_service_is_called(name: str) -> None:
    """A service is found by the name of its file, in which a hyphen is an underscore."""
    service = services.find(name)
    assert service.name == name
    assert services._own(services._file(name)) is service


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a JSON value something stands."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from places(inner, (*path, name))


STRANGE = (
    st.sampled_from([None, True, 0, -1, 1.5, 10**30, "", "x", [], {}, [None], [[]], {"a": []}, "AAAA", "nan"])
    | st.integers()
    | st.text(max_size=5)
)


@whole
@few
@given(data=st.data())
def test_an_answer_with_anything_strange_in_it_is_an_answer_or_an_error(
    exchange: Exchange, data: st.DataObject
) -> None:
    """Whatever stands in the place of whatever part of an answer, nothing but an `InferenceError` is raised."""
    answer = json.loads(exchange.body)
    path = data.draw(st.sampled_from(list(places(answer))))
    body = json.dumps(put(answer, path, data.draw(STRANGE))).encode()
    names = (
        st.sampled_from(sorted(exchange.recording.reply.headers)) if exchange.recording.reply.headers else st.just("x")
    )
    headers = data.draw(st.dictionaries(names, st.text() | st.sampled_from(["²", "9" * 5000, "-1", "1e3"])))
    try:
        found = exchange.decoded(body, headers)
    except InferenceError as error:
        assert error.problems
    else:
        assert found is not None
        if isinstance(found, Embeddings):
            assert all(numbers(found))


@given(name=st.sampled_from(sorted(TASKS)), body=st.binary(max_size=30) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["error", "message", "type", "code", "param", "detail", "error_type"]), inner, max_size=3
    ),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_complaint_is_read_or_is_an_error(name: str, body: bytes) -> None:
    """An error body may be anything; what reads it raises nothing but an `InferenceError`."""
    try:
        assert isinstance(TASKS[name].task.failures.complaint(Reply(500, body)).message, str)
    except InferenceError:
        return


@streamed
@few
@given(data=st.data())
def test_a_stream_with_anything_strange_in_it_is_read_or_is_an_error(exchange: Exchange, data: st.DataObject) -> None:
    """Whatever event comes, a reader raises nothing but an `InferenceError`."""
    strange = data.draw(st.binary(max_size=20) | STRANGE.map(lambda value: json.dumps(value).encode()))
    place = data.draw(st.integers(0, len(exchange.body)))
    exchange.streamed([exchange.body[:place] + b"\n\ndata: " + strange + b"\n\n" + exchange.body[place:]])


def answered_or_granted(many: Many, call: Call) -> Reply:
    """The reply to *call*, which is a token for one that asks for that."""
    if b"grant_type=" in call.body:
        return Reply(200, b'{"access_token": "t", "expires_in": 3600}')
    return answered(many, call)


@pytest.mark.parametrize("name", [name for name, recorded in READABLE.items() if recorded.kind.embeds])
def test_n_inputs_are_n_vectors_in_order_through_the_engine(make_world: Callable[..., World], name: str) -> None:
    """One input, a full call and one more than a full call give each input its own vector, in order."""
    recorded = READABLE[name]
    file = recorded.file()
    assert file.many is not None
    world = make_world(partial(answered_or_granted, file.many), validate=False)
    config = {"service": recorded.service.name, "service_settings": file.conversations[0].settings}
    made = world.create("e", recorded.kind, config)
    batch = made.task.rates.limits(made.endpoint.settings).inputs or 50
    for count in (1, batch, batch + 1, 2 * batch + 1):
        world.provider.calls.clear()
        found = world.infer("e", *(str(number) for number in range(1, count + 1)))
        assert firsts(found) == list(range(1, count + 1))
        if made.task.rates.limits(made.endpoint.settings).inputs:
            asked = [call for call in world.provider.calls if b"grant_type=" not in call.body]
            assert len(asked) == -(-count // batch)
