"""The kit asks every promise of every task of every service, and each promise finds a fault that is planted there."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conversing import usual_choice

from inferpoint import services
from inferpoint.errors import InferenceError, Kind, Upstream
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Event, Reply
from inferpoint.model.quota import Allowance
from inferpoint.model.results import Completion, Embeddings, Ranking, SparseEmbeddings
from inferpoint.model.settings import secret, secrets, settings
from inferpoint.protocols.service import Reader, Service, Task
from inferpoint.testing import Question, promises, questions
from inferpoint.testing.conversations import RecordedTask

HERE = Path(__file__).parent
_COUNT = itertools.count()
AnyTask = Task[Any, Any]


def asked(service: Service) -> Mapping[TaskType | None, Mapping[str, list[Question]]]:
    """The questions of a service by task, or None for the service itself, and promise."""
    found: dict[TaskType | None, dict[str, list[Question]]] = defaultdict(lambda: defaultdict(list))
    for question in questions(service, HERE / service.name):
        about, _, promise = question.id.rpartition("-")
        kind = None if about == "service" else TaskType(about.partition("-")[0])
        found[kind][promise].append(question)
    return found


def fails(question: Question) -> bool:
    """Whether the promise is broken."""
    try:
        question.ask()
    except (AssertionError, InferenceError):
        return True
    return False


# --- what the kit asks ------------------------------------------------------------------------------------------------


def due(recorded: RecordedTask) -> Iterator[promises.Promises]:
    """The promises of which each must be asked of a task at least once."""
    yield promises.OF_A_TASK
    if recorded.shown_by is not recorded.kind:  # the same task under another type, of which all are asked
        return
    yield from (promises.OF_CONVERSATIONS, promises.OF_A_CONVERSATION, promises.OF_AN_ANSWER, promises.OF_A_REFUSAL)
    if recorded.kind.embeds:
        yield from (promises.OF_AN_EMBEDDING_TASK, promises.OF_VECTORS)
    if recorded.task.reader is not None:
        yield promises.OF_A_STREAM


@pytest.mark.parametrize("name", services.names())
def test_every_promise_is_asked_of_every_task(name: str) -> None:
    """None is left out because a file cannot be read, or has no stream, no refusal."""
    service = services.find(name)
    every = asked(service)
    assert set(every[None]) == {promise.__name__ for promise in promises.OF_A_SERVICE}
    for kind in service.tasks:
        wanted = {one.__name__ for table in due(RecordedTask(service, kind, HERE / name)) for one in table}
        assert set(every[kind]) == wanted, kind


# --- faults, each planted into a task as it is ------------------------------------------------------------------------


def decoding(change: Callable[[Any, Reply, Any], Any]) -> Callable[[AnyTask], AnyTask]:
    """A task whose results are changed by *change*, which is told the reply and the request, too."""

    def plant(task: AnyTask) -> AnyTask:
        def decode(reply: Reply, request: Any, *given: Any) -> Any:
            return change(task.decode(reply, request, *given), reply, request)

        return replace(task, decode=decode)

    return plant


def encoding(change: Callable[[Call, Any], Call]) -> Callable[[AnyTask], AnyTask]:
    """A task whose calls are changed by *change*, which is told the settings, too."""

    def plant(task: AnyTask) -> AnyTask:
        def encode(request: Any, model: Any, options: Any, origin: str) -> Call:
            return change(task.encode(request, model, options, origin), model)

        return replace(task, encode=encode)

    return plant


def failing(error: Callable[[InferenceError], Exception]) -> Callable[[AnyTask], AnyTask]:
    """A task that raises another *error* for what it cannot read."""

    def plant(task: AnyTask) -> AnyTask:
        def decode(*given: Any) -> Any:
            try:
                return task.decode(*given)
            except InferenceError as found:
                raise error(found) from None

        return replace(task, decode=decode)

    return plant


@dataclass
class Faulty:
    """A reader with a fault: of its events, of what it tells of them, or of its end."""

    reader: Reader
    seen: Callable[[Event], None] = lambda _: None
    told: Callable[[Any], Any] = lambda deltas: deltas
    ends: bool = True
    other: type[Exception] | None = None

    def feed(self, event: Event) -> Any:
        self.seen(event)
        try:
            return self.told(self.reader.feed(event))
        except InferenceError:
            if self.other is not None:
                raise self.other from None
            raise

    def end(self) -> Any:
        try:
            return self.reader.end()
        except InferenceError:
            if self.ends:
                raise
            return ()


def reading(**fault: Any) -> Callable[[AnyTask], AnyTask]:
    """A task whose reader has a *fault*; one that does not stream as it is."""

    def plant(task: AnyTask) -> AnyTask:
        made = task.reader
        return task if made is None else replace(task, reader=lambda model: Faulty(made(model), **fault))

    return plant


def complaining(complaint: Callable[[Reply], Upstream]) -> Callable[[AnyTask], AnyTask]:
    """A task that reads a provider's complaints by *complaint*."""
    return lambda task: replace(task, failures=replace(task.failures, complaint=complaint))


def signing(sign: Callable[[Call], Call]) -> Callable[[Service], Service]:
    """A service that changes each call by *sign* once it is signed."""
    return lambda service: replace(service, sign=lambda *given: sign(service.sign(*given)))


def of_tasks(plant: Callable[[AnyTask], AnyTask]) -> Callable[[Service], Service]:
    """The same fault in every task of a service; task types that share a task still do."""

    def planted(service: Service) -> Service:
        made = {id(task): plant(task) for task in service.tasks.values()}
        return replace(service, tasks={kind: made[id(task)] for kind, task in service.tasks.items()})

    return planted


def otherwise(result: Any, *_: Any) -> Any:
    """Another result than the provider's."""
    match result:
        case Completion():
            return msgspec.structs.replace(result, choices=[*result.choices, usual_choice("more", reason="stop")])
        case Embeddings():
            return msgspec.structs.replace(result, vectors=[msgspec.Raw(b"[7,7]") for _ in result.vectors])
        case SparseEmbeddings(rows):
            return msgspec.structs.replace(result, weights=[({"more": 7.0}, cut) for _, cut in rows])
        case Ranking(ranked):
            return msgspec.structs.replace(result, ranked=ranked[1:])
        case _:
            raise AssertionError(result)


def turned(result: Any, *_: Any) -> Any:
    """Vectors in the wrong order."""
    match result:
        case Embeddings() if not result.errors:
            return msgspec.structs.replace(result, vectors=[*reversed(result.vectors)])
        case SparseEmbeddings() if not result.errors:
            return msgspec.structs.replace(result, weights=[*reversed(result.weights)])
        case _:
            return result


def all_or_nothing(result: Any, *_: Any) -> Any:
    """One bad row costs all others theirs."""
    for error in getattr(result, "errors", {}).values():
        raise error
    return result


def made_up(result: Any, _reply: Reply, request: Any) -> Any:
    """As many rows as there are inputs, whatever came."""
    name = {Embeddings: "vectors", SparseEmbeddings: "weights"}.get(type(result), "")
    if not name:
        return result
    rows = getattr(result, name)
    return msgspec.structs.replace(result, **{name: [*rows, *rows, *rows][: request.count]})


def known_only(result: Any, reply: Reply, _request: Any) -> Any:
    """Members that are not known are refused."""
    refuse_new(reply.body)
    return result


def refuse_new(data: bytes) -> None:
    if b"a_new_member" in data:
        raise InferenceError(Kind.UNREADABLE, "a member that is not known")


def refuse_new_event(event: Event) -> None:
    refuse_new(event.data)


def lenient(task: AnyTask) -> AnyTask:
    """What cannot be read is taken for an answer like the one before."""
    before: list[Any] = []

    def decode(reply: Reply, request: Any, *given: Any) -> Any:
        try:
            before[:] = [task.decode(reply, request, *given)]
        except InferenceError:
            return before[0] if before else Completion([usual_choice("", reason="stop")])
        return before[0]

    return replace(task, decode=decode)


def leaking(call: Call, model: Any) -> Call:
    """The secrets in the address."""
    return msgspec.structs.replace(call, url=f"{call.url}#{json.dumps(secrets(model))}")


def believed(reply: Reply) -> Upstream:
    """Whatever comes is an object with an error."""
    return Upstream(reply.status, json.loads(reply.body)["error"])


def deep(reply: Reply) -> Upstream:
    """Goes down into what it reads, as far as it is deep."""

    def depth(value: Any) -> int:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return 1 + max(map(depth, inner), default=0)

    try:
        value = json.loads(reply.body)
    except ValueError:
        raise InferenceError(Kind.UNREADABLE, "no JSON") from None
    return Upstream(reply.status, str(depth(value)))


def with_other_secret(service: Service) -> Service:
    """A secret that no conversation has."""

    @cache
    def more(cls: type[Any]) -> type[Any]:
        members = {
            "another_key": secret("Another key.", default=None),
            "__annotations__": {"another_key": "str | None"},
        }
        return settings(type(cls.__name__, (cls,), {**members, "__doc__": cls.__doc__, "__module__": cls.__module__}))

    return of_tasks(lambda task: replace(task, settings=more(task.settings)))(replace(service, grant=None))


def untold(task: AnyTask) -> AnyTask:
    """A stream that nobody reads, or a reader of streams that nobody has recorded."""
    return replace(task, reader=None if task.reader else lambda _: Faulty(None))  # type: ignore[arg-type]


class ByPiece:
    """A framing that takes each piece of bytes for one whole event."""

    def feed(self, data: bytes) -> list[Event]:
        return [Event(data)] if data else []

    def end(self) -> list[Event]:
        return []


def raising(*_: Any) -> Allowance:
    raise ValueError


Plant = Callable[[Service], Service]
FAULTS: Mapping[str, Plant] = {
    "it_is_declared_whole": lambda service: replace(service, title=""),
    "headers_tell_of_limits_that_make_sense_or_of_none": lambda service: replace(service, quota=raising),
    "a_task_is_declared_whole": of_tasks(lambda task: replace(task, label="")),
    "any_complaint_is_read_or_is_an_error": of_tasks(complaining(believed)),
    "a_complaint_may_be_nested_deeply": of_tasks(complaining(deep)),
    "it_has_conversations_that_say_where_they_come_from": of_tasks(untold),
    "every_secret_is_in_a_conversation": with_other_secret,
    "n_inputs_are_n_vectors_in_order": of_tasks(decoding(turned)),
    "a_bad_row_fails_its_own_text_alone": of_tasks(decoding(all_or_nothing)),
    "the_call_is_exactly_the_recorded_one": of_tasks(encoding(lambda call, _: call.with_headers({"x-more": "1"}))),
    "encoding_twice_is_the_same_and_changes_nothing": of_tasks(
        encoding(lambda call, _: call.with_headers({"x-count": str(next(_COUNT))}))
    ),
    "what_nobody_asked_for_can_be_left_out": of_tasks(
        lambda task: replace(
            task,
            unasked=frozenset({"more"}),
            encode=lambda *given: msgspec.structs.replace(
                (call := task.encode(*given)), body=json.dumps({**json.loads(call.body), "more": 1}).encode()
            ),
        )
    ),
    "signing_adds_headers_and_changes_nothing_else": signing(lambda call: call.with_headers({"X-Capital": "1"})),
    "no_secret_is_in_any_repr": of_tasks(encoding(leaking)),
    "equal_settings_share_a_queue": of_tasks(
        lambda task: replace(task, rates=replace(task.rates, group=lambda _: object()))
    ),
    "the_reply_means_exactly_what_is_recorded": of_tasks(decoding(otherwise)),
    "what_is_no_answer_is_an_error": of_tasks(lenient),
    "an_answer_cut_short_at_any_byte_is_an_error": of_tasks(lenient),
    "an_answer_with_anything_strange_in_it_is_an_answer_or_an_error": of_tasks(failing(lambda _: KeyError())),
    "an_answer_with_a_new_member_is_an_answer": of_tasks(decoding(known_only)),
    "an_answer_for_more_or_fewer_inputs_is_an_error": of_tasks(decoding(made_up)),
    "the_stream_means_exactly_what_is_recorded": of_tasks(reading(told=lambda deltas: [*deltas, *deltas])),
    "a_stream_cut_at_every_byte_is_the_same": of_tasks(lambda task: replace(task, framing=ByPiece)),
    "a_stream_that_ends_early_does_not_end_well": of_tasks(reading(ends=False)),
    "a_stream_with_anything_strange_in_it_is_read_or_is_an_error": of_tasks(reading(other=KeyError)),
    "a_stream_with_new_members_is_a_stream": of_tasks(reading(seen=refuse_new_event)),
    "a_complaint_is_found_where_the_provider_puts_it": of_tasks(
        complaining(lambda reply: Upstream(reply.status, "An error"))
    ),
}


def test_there_is_a_fault_for_every_promise() -> None:
    """A promise that is added to the kit is shown to find something, too."""
    tables = [value for name, value in vars(promises).items() if name.startswith("OF_")]
    assert FAULTS.keys() == {promise.__name__ for table in tables for promise in table}


# Tasks that have nothing of what a promise is about: no secret, no object beside those of tokens.
NOTHING = {
    ("elasticsearch", "no_secret_is_in_any_repr"): [
        TaskType.TEXT_EMBEDDING,
        TaskType.SPARSE_EMBEDDING,
        TaskType.RERANK,
    ],
    ("hugging_face", "an_answer_with_a_new_member_is_an_answer"): [TaskType.SPARSE_EMBEDDING],
}


@pytest.mark.parametrize("promise", FAULTS)
@pytest.mark.parametrize("name", services.names())
def test_a_planted_fault_is_found_in_every_task(name: str, promise: str) -> None:
    """Each task of which the promise is asked breaks it, once the fault is there."""
    service = services.find(name)
    missed = [
        kind
        for kind, every in asked(FAULTS[promise](service)).items()
        if promise in every and not any(map(fails, every[promise]))
    ]
    assert missed == NOTHING.get((name, promise), [])
