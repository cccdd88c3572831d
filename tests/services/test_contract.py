"""What every service promises, asked of every task of each: a new service is asked as soon as it is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conversing import asking
from hypothesis import given
from hypothesis import strategies as st
from world import SECRET, World

from inferpoint import services
from inferpoint.engine.batching import joined
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import Endpoint, TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.inference import (
    Completion,
    Documents,
    Embeddings,
    Finished,
    InferenceRequest,
    InferenceResult,
    Ranking,
    SparseEmbeddings,
)
from inferpoint.model.settings import declared, public, read, secrets
from inferpoint.protocols.service import CONTRACT, Moment, Service, Task

HERE = Path(__file__).parent
MOMENT = Moment(datetime(2026, 11, 20, 12, tzinfo=UTC))
BUILT_IN = [name for name in services.names() if (HERE / name).is_dir() or name in services._built_in()]
PAIRS = [(name, kind) for name in BUILT_IN for kind in services.find(name).tasks]


@dataclass(frozen=True)
class Said:
    """One conversation with a provider: what is asked, the call, the reply, and what it means."""

    service: Service
    kind: TaskType
    given: Mapping[str, Any]

    @property
    def task(self) -> Task[Any, Any]:
        return self.service.tasks[self.kind]

    @property
    def settings(self) -> Any:
        return self._read(self.task.settings, self.given["settings"])

    @property
    def options(self) -> Any:
        return self._read(self.task.options, self.given["options"])

    @property
    def request(self) -> InferenceRequest:
        given, stream = self.given, self.given.get("stream", False)
        if "documents" in given:
            return InferenceRequest(Documents(given["query"], tuple(given["documents"])))
        if "conversation" in given:
            return asking(given["conversation"], stream=stream)
        return InferenceRequest(tuple(given["input"]), stream=stream)

    @property
    def origin(self) -> str:
        moved = self.given.get("origin_address")
        return moved or (self.service.origin.address(self.settings) if self.service.origin else "")

    @property
    def body(self) -> bytes:
        reply = self.given["reply"]
        if "file" in reply:
            return (HERE / self.service.name / reply["file"]).read_bytes()
        return json.dumps(reply["body"]).encode()

    def encoded(self) -> Call:
        return self.task.encode(self.request, self.settings, self.options, self.origin)

    def decoded(self, body: bytes, headers: Mapping[str, str] | None = None) -> InferenceResult:
        """The result, as the engine takes it from a reply: decoded, and with a row for every input."""
        reply = Reply(200, body, self.given["reply"]["headers"] if headers is None else headers)
        found = self.task.decode(reply, self.request, self.settings, self.options)
        return joined([found], self.request.count)

    def streamed(self, pieces: Sequence[bytes]) -> list[Any]:
        """The deltas of a stream; an error is the last of them."""
        assert self.task.reader is not None
        framing, reader = self.task.framing(), self.task.reader(self.settings)
        found: list[Any] = []
        try:
            for piece in pieces:
                for event in framing.feed(piece):
                    found += reader.feed(event)
            for event in framing.end():
                found += reader.feed(event)
            found += reader.end()
        except InferenceError as error:
            found.append(error)
        return found

    def _read(self, cls: type[Any], given: Mapping[str, Any]) -> Any:
        problems: list[str] = []
        record = read(cls, given, scope="s", problems=problems)
        assert problems == []
        return record


def file_of(name: str, kind: TaskType) -> dict[str, Any]:
    return json.loads((HERE / name / f"{kind.value}.json").read_text("utf-8"))


def conversations(*, streamed: bool | None = None) -> list[Any]:
    return [
        pytest.param(Said(services.find(name), kind, each), id=f"{name}-{kind.value}-{number}")
        for name, kind in PAIRS
        if (HERE / name / f"{kind.value}.json").exists()
        for number, each in enumerate(file_of(name, kind)["conversations"])
        if streamed in (None, each.get("stream", False))
    ]


EVERY, WHOLE, STREAMED = conversations(), conversations(streamed=False), conversations(streamed=True)
every_pair = pytest.mark.parametrize(("name", "kind"), PAIRS)
every_conversation = pytest.mark.parametrize("said", EVERY)
whole = pytest.mark.parametrize("said", WHOLE)
streamed = pytest.mark.parametrize("said", STREAMED)


@every_pair
def test_a_service_is_declared_whole(name: str, kind: TaskType) -> None:
    """A file is called what its service is called; what it declares agrees with itself."""
    service = services.find(name)
    task = service.tasks[kind]
    assert (service.name, service.contract) == (name, CONTRACT)
    assert service.title
    assert task.label
    names = [each.name for cls in (task.settings, task.options) for each in declared(cls)]
    assert len(names) == len(set(names)), "a setting and an option have one name"
    assert all(each.updatable for each in declared(task.options))
    assert (kind.embeds and kind is not TaskType.SPARSE_EMBEDDING) == (task.similarity is not None)
    assert not (kind.embeds and task.reader)


@every_pair
def test_every_task_has_conversations_that_say_where_they_come_from(name: str, kind: TaskType) -> None:
    """Every task of every service has a file, a streaming task a stream, and each entry names its origin."""
    found = file_of(name, kind)
    entries = [*found["conversations"], *found["refusals"]]
    assert len(entries) >= 2
    assert all(len(each["origin"]) > 5 for each in entries)
    assert any(each.get("stream") for each in entries) == (services.find(name).tasks[kind].reader is not None)


@every_conversation
def test_the_call_is_exactly_the_recorded_one(said: Said) -> None:
    """Encoded, then signed, a request is the call that the provider documents: method, address, headers, body."""
    call = said.service.sign(said.encoded(), said.settings, MOMENT)
    wanted = said.given["call"]
    assert (call.method, call.url) == (wanted["method"], wanted["url"])
    assert dict(call.headers) == wanted["headers"]
    assert json.loads(call.body) == wanted["body"]


@whole
def test_the_reply_means_exactly_what_is_recorded(said: Said) -> None:
    """The recorded reply is decoded to the recorded result."""
    found, wanted = said.decoded(said.body), said.given["result"]
    usage = asdict(found.usage) if found.usage else None
    zeros = dict.fromkeys(("input", "output", "cached", "reasoning"), 0)
    assert usage == (None if wanted["usage"] is None else {**zeros, **wanted["usage"]})
    match found:
        case Embeddings():
            assert [msgspec.json.decode(vector) for vector in found.vectors] == wanted["embeddings"]
            assert found.cut == wanted.get("cut", 0)
        case SparseEmbeddings():
            assert [dict(weights) for weights, _ in found.weights] == wanted["weights"]
        case Ranking():
            assert [[each.index, each.score, each.text] for each in found.ranked] == wanted["ranked"]
        case Completion():
            nothing = {"tool_calls": [], "reasoning": ""}
            choices = [
                asdict(each) | {"tool_calls": [asdict(call) for call in each.tool_calls]} for each in found.choices
            ]
            assert choices == [nothing | each for each in wanted["choices"]]
            assert (found.id, found.model) == (wanted["id"], wanted["model"])
        case _:
            pytest.fail("a result that this test cannot read yet")


@streamed
def test_the_stream_means_exactly_what_is_recorded(said: Said) -> None:
    """The recorded stream is read to the recorded deltas."""
    found = [[type(delta).__name__, *asdict(delta).values()] for delta in said.streamed([said.body])]
    assert found == said.given["deltas"]


@pytest.mark.parametrize(
    ("service", "refused"),
    [
        pytest.param(services.find(name), each, id=f"{name}-{kind.value}-{number}")
        for name, kind in PAIRS
        if (HERE / name / f"{kind.value}.json").exists()
        for number, each in enumerate(file_of(name, kind)["refusals"])
    ],
)
def test_a_complaint_is_found_where_the_provider_puts_it(service: Service, refused: Mapping[str, Any]) -> None:
    """The message, type, code and parameter of a provider's error body are found."""
    found = asdict(service.complaint(Reply(refused["status"], json.dumps(refused["body"]).encode())))
    assert found == {"status": refused["status"], **refused["said"]}


@every_conversation
def test_encoding_twice_is_the_same_and_changes_nothing(said: Said) -> None:
    """Equal requests make equal bytes, and what was given stays as it was."""
    request, settings, options = said.request, said.settings, said.options
    before = repr((request, settings, options, secrets(settings)))
    first, second = (said.task.encode(request, settings, options, said.origin) for _ in range(2))
    assert (first, first.body, dict(first.headers)) == (second, second.body, dict(second.headers))
    assert repr((request, settings, options, secrets(settings))) == before


@every_conversation
def test_signing_adds_headers_and_changes_nothing_else(said: Said) -> None:
    """A signed call is the same call with more headers, all of them in lower case and on one line."""
    call = said.encoded()
    signed = said.service.sign(call, said.settings, MOMENT)
    assert replace(signed, headers=call.headers) == call
    assert call.headers.items() <= signed.headers.items()
    for name, value in signed.headers.items():
        assert name == name.lower()
        assert "\n" not in value
        assert "\r" not in value


@every_conversation
def test_no_secret_is_in_any_repr(said: Said) -> None:
    """Settings, endpoints, calls and what is shown of them hold no secret."""
    planted = secrets(said.settings)
    signed = said.service.sign(said.encoded(), said.settings, MOMENT)
    endpoint = Endpoint("e", said.kind, said.service.name, said.settings, said.options, None, "v")
    texts = [repr(each) for each in (said.settings, said.options, endpoint, signed, said.encoded(), [signed])]
    texts += [str(public(said.settings)), signed.url, signed.body.decode()]
    assert set(planted) <= {each.name for each in declared(said.task.settings) if each.secret}
    for text in texts:
        assert SECRET not in text
        assert not any(secret in text for secret in planted.values())


def unreadable(said: Said, body: bytes, headers: Mapping[str, str] | None = None) -> None:
    try:
        said.decoded(body, headers)
    except InferenceError as error:
        assert error.kind in (Kind.UNREADABLE, Kind.CUT_OFF, Kind.INTERNAL), error
    else:
        pytest.fail(f"{body[:200]!r} was taken for an answer")


NOT_ANSWERS = [
    b"", b" ", b"\n", b"<html><body>Bad gateway</body></html>", b"null", b"true", b"0", b'""', b"[]", b"{}",
    b"[[]]", b"[null]", b"[{}]", b'{"data":null}', b'{"data":[]}', b'{"choices":[]}', b'{"choices":null}',
    b'{"embeddings":[]}', b'{"embeddings":{}}', b'{"error":{"message":"no"}}', b"\xff\xfe", b"\x00", b"OK",
    b"[" * 5000, b'{"a":' * 5000, b"[" * 500 + b"]" * 500, b"9" * 5000,
]  # fmt: skip


@whole
@pytest.mark.parametrize("body", NOT_ANSWERS, ids=lambda body: repr(body[:24]))
def test_what_is_no_answer_is_an_error(said: Said, body: bytes) -> None:
    """A reply that is empty, HTML, null or of another shape is an `InferenceError`, and nothing else."""
    unreadable(said, body)


@whole
def test_an_answer_cut_short_at_any_byte_is_an_error(said: Said) -> None:
    """No beginning of an answer is taken for the whole of it."""
    for length in range(len(said.body)):
        unreadable(said, said.body[:length])


@whole
def test_an_answer_for_more_or_fewer_inputs_is_an_error(said: Said) -> None:
    """A provider that loses an input, or makes one up, is not believed."""
    if not said.kind.embeds:
        pytest.skip("one input is all there is")
    for texts in (("one more", *said.request.texts), said.request.texts[1:]):
        found = said.task.decode(Reply(200, said.body, {}), said.request, said.settings, said.options)
        with pytest.raises(InferenceError, match="embeddings for"):
            joined([found], len(texts))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a JSON value something stands."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from places(inner, (*path, name))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = put(value[path[0]], path[1:], new)
    return copied


STRANGE = (
    st.sampled_from([None, True, 0, -1, 1.5, 10**30, "", "x", [], {}, [None], [[]], {"a": []}, "AAAA", "nan"])
    | st.integers()
    | st.text(max_size=5)
)


@whole
@given(data=st.data())
def test_an_answer_with_anything_strange_in_it_is_an_answer_or_an_error(said: Said, data: st.DataObject) -> None:
    """Whatever stands in the place of whatever part of an answer, nothing but an `InferenceError` is raised."""
    answer = json.loads(said.body)
    path = data.draw(st.sampled_from(list(places(answer))))
    body = json.dumps(put(answer, path, data.draw(STRANGE))).encode()
    names = st.sampled_from(sorted(said.given["reply"]["headers"])) if said.given["reply"]["headers"] else st.just("x")
    headers = data.draw(st.dictionaries(names, st.text() | st.sampled_from(["²", "9" * 5000, "-1", "1e3"])))
    try:
        found = said.decoded(body, headers)
    except InferenceError as error:
        assert error.problems
    else:
        assert found is not None
        if isinstance(found, Embeddings):
            assert all(msgspec.json.decode(vector, type=list[float]) for vector in found.vectors)


@given(name=st.sampled_from(BUILT_IN), body=st.binary(max_size=30) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["error", "message", "type", "code", "param", "detail", "error_type"]), inner, max_size=3
    ),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_complaint_is_read_or_is_an_error(name: str, body: bytes) -> None:
    """An error body may be anything; what reads it raises nothing but an `InferenceError`."""
    try:
        assert isinstance(services.find(name).complaint(Reply(500, body)).message, str)
    except InferenceError:
        return


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("key", ["error", "detail", "message"])
def test_a_complaint_may_be_nested_deeply(name: str, key: str) -> None:
    """However deep an error body is, it does not overflow what reads it."""
    for depth in (10, 100, 400, 900, 5000):
        body = f'{{"{key}":'.encode() + b"[" * depth + b'"x"' + b"]" * depth + b"}"
        try:
            services.find(name).complaint(Reply(500, body))
        except InferenceError:
            continue


@streamed
def test_a_stream_cut_at_every_byte_is_the_same(said: Said) -> None:
    """In whatever two pieces a stream comes, its deltas are the same."""
    wanted = said.streamed([said.body])
    for place in range(len(said.body) + 1):
        assert said.streamed([said.body[:place], said.body[place:]]) == wanted
    assert said.streamed([bytes([byte]) for byte in said.body]) == wanted


@streamed
def test_a_stream_that_ends_early_does_not_end_well(said: Said) -> None:
    """A stream cut off at any byte is an error unless the finish was seen; its deltas are the first of the whole."""
    wanted = said.streamed([said.body])
    for length in range(len(said.body)):
        found = said.streamed([said.body[:length]])
        if isinstance(found[-1], InferenceError):
            assert found.pop().kind is Kind.CUT_OFF
        else:
            assert any(isinstance(delta, Finished) for delta in found)
        assert found == wanted[: len(found)]


@streamed
@given(data=st.data())
def test_a_stream_with_anything_strange_in_it_is_read_or_is_an_error(said: Said, data: st.DataObject) -> None:
    """Whatever event comes, a reader raises nothing but an `InferenceError`."""
    strange = data.draw(st.binary(max_size=20) | STRANGE.map(lambda value: json.dumps(value).encode()))
    place = data.draw(st.integers(0, len(said.body)))
    said.streamed([said.body[:place] + b"\n\ndata: " + strange + b"\n\n" + said.body[place:]])


def many(rule: Mapping[str, Any]) -> Callable[[Call], Reply]:
    """A provider that answers any number of texts in the shape that a conversation file declares."""

    def filled(template: Any, index: int, text: str) -> Any:
        if isinstance(template, dict):
            return {name: filled(inner, index, text) for name, inner in template.items()}
        made = {"<index>": index, "<vector>": [int(text), len(text)], "<number>": int(text)}
        return made.get(template, template)

    def answer(call: Call) -> Reply:
        texts = json.loads(call.body)
        for name in rule["inputs"]:
            texts = texts[name]
        rows = [filled(rule["row"], index, text) for index, text in enumerate(texts)]
        if rule["by_index"]:
            rows.reverse()
        reply = put(rule["reply"], tuple(rule["rows"]), rows)
        return Reply(200, json.dumps(reply).encode())

    return answer


@pytest.mark.parametrize(("name", "kind"), [pair for pair in PAIRS if pair[1].embeds])
def test_n_inputs_are_n_vectors_in_order(make_world: Callable[..., World], name: str, kind: TaskType) -> None:
    """One input, a full call and one more than a full call give each input its own vector, in order."""
    described = file_of(name, kind)
    world = make_world(many(described["many"]), validate=False)
    given_settings = described["conversations"][0]["settings"]
    made = world.create("e", kind, {"service": name, "service_settings": given_settings})
    batch = made.task.limits(made.endpoint.settings).inputs or 50
    for count in (1, batch, batch + 1, 2 * batch + 1):
        world.provider.calls.clear()
        found = world.infer("e", *(str(number) for number in range(count)))
        assert isinstance(found, Embeddings | SparseEmbeddings)
        if isinstance(found, SparseEmbeddings):
            firsts = [next(iter(weights.values())) for weights, _ in found.weights]
        else:
            firsts = [msgspec.json.decode(vector)[0] for vector in found.vectors]
        assert firsts == list(range(count))
        if made.task.limits(made.endpoint.settings).inputs:
            assert len(world.provider.calls) == -(-count // batch)
