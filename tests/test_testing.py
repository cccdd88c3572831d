"""The kit finds what is wrong: Acme's service with one fault at a time, each found by the promise that it breaks."""

from __future__ import annotations

import importlib.util
import itertools
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from conversing import usual_choice

from inferpoint.errors import InferenceError, Kind, Upstream
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Event, Reply
from inferpoint.model.quota import Allowance, Bucket
from inferpoint.model.results import Completion, Embeddings, Finished, Text
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols.service import Limits, RateLimit, Service, rate_limit
from inferpoint.testing import contract, questions

EXAMPLE = Path(__file__).parents[1] / "examples/acme_inference"
CONVERSATIONS = EXAMPLE / "tests/conversations"
EMBEDDING, COMPLETION = TaskType.TEXT_EMBEDDING, TaskType.COMPLETION
_COUNT = itertools.count()


def example() -> ModuleType:
    """The example's module, which is not installed here."""
    spec = importlib.util.spec_from_file_location("acme_example", EXAMPLE / "src/acme_inference/__init__.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its annotations are read by its name
    spec.loader.exec_module(module)
    return module


ACME = example()
SERVICE: Service = ACME.SERVICE


def broken(service: Service, folder: Path) -> set[str]:
    """The promises that *service* breaks."""
    found = set[str]()
    for question in questions(service, folder):
        try:
            question.ask()
        except (AssertionError, InferenceError):
            found.add(question.id.rpartition("-")[2])
    return found


def with_task(kind: TaskType, **changed: Any) -> Service:
    return replace(SERVICE, tasks={**SERVICE.tasks, kind: replace(SERVICE.tasks[kind], **changed)})


def with_rates(**changed: Any) -> Service:
    return with_task(EMBEDDING, rates=replace(SERVICE.tasks[EMBEDDING].rates, **changed))


def with_complaint(complaint: Callable[[Reply], Upstream]) -> Service:
    return with_task(EMBEDDING, failures=replace(SERVICE.tasks[EMBEDDING].failures, complaint=complaint))


def test_a_right_service_keeps_every_promise() -> None:
    """Nothing is said against the example."""
    assert broken(SERVICE, CONVERSATIONS) == set()


# Faulty functions, each as somebody could have written it.


@settings
class Talkative:
    """A key that is not declared as a secret."""

    api_key: str = setting("The key of the account.")
    model_id: str = setting("The model to call.")
    rate_limit: RateLimit | None = rate_limit()


class Loud(ACME.Account):
    """Settings that print themselves whole."""

    def __repr__(self) -> str:
        return f"Loud({self.api_key})"


@settings
class WithSecondSecret(ACME.Account):
    """A secret that no conversation has."""

    second_key: str | None = secret("Another key.", default=None)


@settings
class WithoutSentence:
    """An option whose help is no sentence, and which cannot be changed."""

    temperature: float | None = setting("Temperature", default=None)


def unsorted(reply: Reply, *_: Any) -> Embeddings:
    return Embeddings([msgspec.Raw(msgspec.json.encode(row)) for row in reversed(json.loads(reply.body)["vectors"])])


def with_key_error(reply: Reply, *_: Any) -> Embeddings:
    try:
        rows = json.loads(reply.body)["vectors"]
    except ValueError:
        raise InferenceError(Kind.UNREADABLE, "no JSON") from None
    return Embeddings([msgspec.Raw(msgspec.json.encode(row)) for row in rows])


def believing(reply: Reply, request: Any, *given: Any) -> Embeddings:
    """Fills up what the provider forgot."""
    found = ACME.embeddings(reply, request, *given)
    rows = [*found.vectors, *found.vectors][: len(request.texts)]
    return msgspec.structs.replace(found, vectors=rows or found.vectors)


def all_or_nothing(reply: Reply, *_: Any) -> Embeddings:
    """One text that a model made no numbers of costs all others theirs."""
    rows = ACME.parse(reply.body, ACME._Vectors, of="vectors").vectors
    return Embeddings([ACME.vectors.dense(row, of="vectors") for row in rows])


def unchecked(reply: Reply, *_: Any) -> Embeddings:
    """Whatever stands where a vector should."""
    return Embeddings(ACME.parse(reply.body, ACME._Vectors, of="vectors").vectors)


def strict(reply: Reply, *given: Any) -> Embeddings:
    """Refuses what it does not know."""
    found = ACME.embeddings(reply, *given)
    refuse_new(reply.body)
    return found


def refuse_new(body: bytes) -> None:
    if b"a_new_member" in body:
        raise InferenceError(Kind.UNREADABLE, "a member that is not known")


def blaming_the_caller(reply: Reply, *given: Any) -> Embeddings:
    try:
        return ACME.embeddings(reply, *given)
    except InferenceError as error:
        raise InferenceError(Kind.INVALID, str(error)) from None


def lenient(reply: Reply, *_: Any) -> Completion:
    """Takes what cannot be read for an empty answer."""
    try:
        text = json.loads(reply.body)["text"]
    except (ValueError, LookupError, TypeError, RecursionError):
        text = ""
    return Completion([usual_choice(str(text), reason="stop")])


def counting(request: Any, model: Any, options: Any, origin: str) -> Call:
    call = ACME.embed(request, model, options, origin)
    return msgspec.structs.replace(call, body=call.body.replace(b"{", b'{"n":%d,' % next(_COUNT), 1))


def mutating(request: Any, model: Any, options: Any, origin: str) -> Call:
    call = ACME.complete(request, model, options, origin)
    object.__setattr__(options, "temperature", 1.0)
    return call


def key_in_address(request: Any, model: Any, options: Any, origin: str) -> Call:
    return msgspec.structs.replace(ACME.embed(request, model, options, origin), url=f"{origin}/embed/{model.api_key}")


def key_in_body(request: Any, model: Any, options: Any, origin: str) -> Call:
    call = ACME.embed(request, model, options, origin)
    return msgspec.structs.replace(call, body=call.body[:-1] + b',"key":"%b"}' % model.api_key.encode())


def dropping(call: Call, account: Any, _moment: Any) -> Call:
    return msgspec.structs.replace(call, headers={"authorization": f"Bearer {account.api_key}"})


def capital(call: Call, account: Any, _moment: Any) -> Call:
    return call.with_headers({"Authorization": f"Bearer {account.api_key}"})


def rewriting(call: Call, account: Any, moment: Any) -> Call:
    return msgspec.structs.replace(ACME.bearer(call, account, moment), url=call.url + "?signed")


def broken_line(call: Call, account: Any, moment: Any) -> Call:
    return ACME.bearer(call, account, moment).with_headers({"x-acme": "a\nb"})


class Endless(ACME.Pieces):
    """Never misses its end."""

    def end(self) -> tuple[()]:
        return ()


class Forgetful(ACME.Pieces):
    """Finds no end even when there was one."""

    def end(self) -> tuple[()]:
        raise InferenceError(Kind.CUT_OFF, "no end")


class Misjudging(ACME.Pieces):
    """Calls a stream that was cut off unreadable."""

    def end(self) -> Any:
        try:
            return super().end()
        except InferenceError as error:
            raise InferenceError(Kind.UNREADABLE, str(error)) from None


class Careless(ACME.Pieces):
    """Reads events by hand."""

    def feed(self, event: Event) -> Any:
        found = json.loads(event.data)
        return [*super().feed(event), *([Text("")] if found.get("never") else [])]


class Strict(ACME.Pieces):
    """Refuses an event with a member that it does not know."""

    def feed(self, event: Event) -> Any:
        refuse_new(event.data)
        return super().feed(event)


class Remembering:
    """One reader for all streams."""

    def __init__(self) -> None:
        self.reader: Any = None

    def __call__(self, model: Any) -> Any:
        self.reader = self.reader or ACME.Pieces(model)
        return self.reader


class ByPiece:
    """A framing that takes each piece of bytes for whole events."""

    def feed(self, data: bytes) -> list[Event]:
        return [Event(each[6:]) for each in data.split(b"\n\n") if each.startswith(b"data: ")]

    def end(self) -> list[Event]:
        return []


class EarlyFinish(ACME.Pieces):
    """Says that it is finished at the first word."""

    def feed(self, event: Event) -> Any:
        found = super().feed(event)
        self._finished = True
        return [each for each in found if not isinstance(each, Finished)]


def raising_complaint(reply: Reply) -> Upstream:
    return Upstream(reply.status, json.loads(reply.body)["error"])


def quiet_complaint(reply: Reply) -> Upstream:
    return Upstream(reply.status, "An error")


def strange_complaint(reply: Reply) -> Upstream:
    return Upstream(reply.status, ACME.parse(reply.body, dict[str, Any], of="error").get("error"))  # type: ignore[arg-type]


def recursive_complaint(reply: Reply) -> Upstream:
    """Goes down into what it reads."""

    def depth(value: Any) -> int:
        return 1 + deepest(value) if isinstance(value, list) else 0

    def deepest(values: list[Any]) -> int:
        return max(map(depth, values))

    said = ACME.parse(reply.body, dict[str, Any], of="error")
    depth(said.get("message"))
    return ACME.complaint(reply)


def believed(headers: Mapping[str, str], _now: datetime) -> Allowance:
    """A limit may be below nothing."""
    text = headers.get("x-limit", "")
    return Allowance(Bucket(int(text), 0, 0.0)) if text.lstrip("-").isdecimal() and len(text) < 9 else Allowance()


def trusting(headers: Mapping[str, str], _now: datetime) -> Allowance:
    """Whatever is in the header is a number."""
    return Allowance(Bucket(1, 0, float(headers.get("x-reset", "0"))))


FAULTS: Mapping[str, tuple[Callable[[], Service], str]] = {
    "another contract": (lambda: replace(SERVICE, contract=99), "it_is_declared_whole"),
    "no title": (lambda: replace(SERVICE, title=""), "it_is_declared_whole"),
    "no tasks": (lambda: replace(SERVICE, tasks={}), "it_is_declared_whole"),
    "no label": (lambda: with_task(EMBEDDING, label=""), "a_task_is_declared_whole"),
    "no similarity": (lambda: with_task(EMBEDDING, similarity=None), "a_task_is_declared_whole"),
    "help that is no sentence": (lambda: with_task(COMPLETION, options=WithoutSentence), "a_task_is_declared_whole"),
    "an option called as a setting": (lambda: with_task(EMBEDDING, options=ACME.Account), "a_task_is_declared_whole"),
    "a key that everybody sees": (lambda: with_task(EMBEDDING, settings=Talkative), "a_task_is_declared_whole"),
    "an embedding that streams": (lambda: with_task(EMBEDDING, reader=ACME.Pieces), "a_task_is_declared_whole"),
    "a task without conversations": (
        lambda: replace(SERVICE, tasks={TaskType.RERANK: SERVICE.tasks[COMPLETION]}),
        "it_has_conversations_that_say_where_they_come_from",
    ),
    "a stream that nobody reads": (
        lambda: with_task(COMPLETION, reader=None),
        "it_has_conversations_that_say_where_they_come_from",
    ),
    "a secret that is never used": (
        lambda: with_task(EMBEDDING, settings=WithSecondSecret),
        "every_secret_is_in_a_conversation",
    ),
    "vectors in the wrong order": (lambda: with_task(EMBEDDING, decode=unsorted), "n_inputs_are_n_vectors_in_order"),
    "one bad row for all": (
        lambda: with_task(EMBEDDING, decode=all_or_nothing),
        "a_bad_row_fails_its_own_text_alone",
    ),
    "a member that stays": (
        lambda: with_task(EMBEDDING, unasked=frozenset({"model"})),
        "what_nobody_asked_for_can_be_left_out",
    ),
    "a limit that is none": (
        lambda: with_rates(limits=lambda _: Limits(inputs=-1)),
        "equal_settings_share_a_queue",
    ),
    "a queue for each object": (
        lambda: with_rates(group=lambda _: object()),
        "equal_settings_share_a_queue",
    ),
    "a similarity nobody knows": (
        lambda: with_task(EMBEDDING, similarity=lambda _: "near"),
        "equal_settings_share_a_queue",
    ),
    "another address": (
        lambda: replace(SERVICE, origin=replace(SERVICE.origin, address=lambda _: "https://acme.example")),
        "the_call_is_exactly_the_recorded_one",
    ),
    "a dropped header": (
        lambda: replace(SERVICE, sign=dropping),
        "signing_adds_headers_and_changes_nothing_else",
    ),
    "a header in capitals": (
        lambda: replace(SERVICE, sign=capital),
        "signing_adds_headers_and_changes_nothing_else",
    ),
    "a header of two lines": (
        lambda: replace(SERVICE, sign=broken_line),
        "signing_adds_headers_and_changes_nothing_else",
    ),
    "signing that rewrites": (
        lambda: replace(SERVICE, sign=rewriting),
        "signing_adds_headers_and_changes_nothing_else",
    ),
    "no signature": (lambda: replace(SERVICE, sign=lambda call, *_: call), "the_call_is_exactly_the_recorded_one"),
    "a counter in the body": (
        lambda: with_task(EMBEDDING, encode=counting),
        "encoding_twice_is_the_same_and_changes_nothing",
    ),
    "encoding that changes options": (
        lambda: with_task(COMPLETION, encode=mutating),
        "encoding_twice_is_the_same_and_changes_nothing",
    ),
    "a secret in repr": (lambda: with_task(EMBEDDING, settings=Loud), "no_secret_is_in_any_repr"),
    "a secret in the address": (lambda: with_task(EMBEDDING, encode=key_in_address), "no_secret_is_in_any_repr"),
    "a secret in the body": (lambda: with_task(EMBEDDING, encode=key_in_body), "no_secret_is_in_any_repr"),
    "a KeyError": (lambda: with_task(EMBEDDING, decode=with_key_error), "what_is_no_answer_is_an_error"),
    "the caller is blamed": (
        lambda: with_task(EMBEDDING, decode=blaming_the_caller),
        "an_answer_cut_short_at_any_byte_is_an_error",
    ),
    "an empty answer for none": (lambda: with_task(COMPLETION, decode=lenient), "what_is_no_answer_is_an_error"),
    "half an answer for a whole one": (
        lambda: with_task(COMPLETION, decode=lenient),
        "an_answer_cut_short_at_any_byte_is_an_error",
    ),
    "another result": (lambda: with_task(COMPLETION, decode=lenient), "the_reply_means_exactly_what_is_recorded"),
    "vectors that are none": (
        lambda: with_task(EMBEDDING, decode=unchecked),
        "an_answer_with_anything_strange_in_it_is_an_answer_or_an_error",
    ),
    "vectors of known members only": (
        lambda: with_task(EMBEDDING, decode=strict),
        "an_answer_with_a_new_member_is_an_answer",
    ),
    "made-up vectors": (
        lambda: with_task(EMBEDDING, decode=believing),
        "an_answer_for_more_or_fewer_inputs_is_an_error",
    ),
    "a stream that ends without a finish": (
        lambda: with_task(COMPLETION, reader=Endless),
        "a_stream_that_ends_early_does_not_end_well",
    ),
    "a finish at the first word": (
        lambda: with_task(COMPLETION, reader=EarlyFinish),
        "a_stream_that_ends_early_does_not_end_well",
    ),
    "a cut called unreadable": (
        lambda: with_task(COMPLETION, reader=Misjudging),
        "a_stream_that_ends_early_does_not_end_well",
    ),
    "a finish that is not seen": (
        lambda: with_task(COMPLETION, reader=Forgetful),
        "the_stream_means_exactly_what_is_recorded",
    ),
    "an event read by hand": (
        lambda: with_task(COMPLETION, reader=Careless),
        "a_stream_with_anything_strange_in_it_is_read_or_is_an_error",
    ),
    "an event of known members only": (
        lambda: with_task(COMPLETION, reader=Strict),
        "a_stream_with_new_members_is_a_stream",
    ),
    "a reader that remembers": (
        lambda: with_task(COMPLETION, reader=Remembering()),
        "the_stream_means_exactly_what_is_recorded",
    ),
    "a framing by pieces": (
        lambda: with_task(COMPLETION, framing=ByPiece),
        "a_stream_cut_at_every_byte_is_the_same",
    ),
    "a complaint that raises": (
        lambda: with_complaint(raising_complaint),
        "any_complaint_is_read_or_is_an_error",
    ),
    "a complaint that is no text": (
        lambda: with_complaint(strange_complaint),
        "any_complaint_is_read_or_is_an_error",
    ),
    "a complaint too deep": (
        lambda: with_complaint(recursive_complaint),
        "a_complaint_may_be_nested_deeply",
    ),
    "limits that are not checked": (
        lambda: replace(SERVICE, quota=believed),
        "headers_tell_of_limits_that_make_sense_or_of_none",
    ),
    "limits that are not read with care": (
        lambda: replace(SERVICE, quota=trusting),
        "headers_tell_of_limits_that_make_sense_or_of_none",
    ),
    "a complaint that says nothing": (
        lambda: with_complaint(quiet_complaint),
        "a_complaint_is_found_where_the_provider_puts_it",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_by_its_promise(fault: str) -> None:
    """A service with one fault breaks the promise that is about it."""
    make, promise = FAULTS[fault]
    assert promise in broken(make(), CONVERSATIONS)


def test_every_promise_finds_a_fault() -> None:
    """No promise of the kit is kept by whatever a service does."""
    asked = {question.id.rpartition("-")[2] for question in questions(SERVICE, CONVERSATIONS)}
    assert asked == {promise for _, promise in FAULTS.values()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file["conversations"][0].pop("call"), "missing required field `call`"),
        (lambda file: file["conversations"][0].update(origin=""), "where an entry is from"),
        (lambda file: file["conversations"][0].pop("result"), "[result]"),
        (lambda file: file.update(refusals=[]), "one refusal"),
        (lambda file: file.pop("many"), "[many]"),
        (lambda file: file["conversations"][0]["settings"].update(api_key="short"), "shorter than"),
        (lambda file: file["conversations"][0]["settings"].pop("model_id"), "model_id"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_wrong_file_is_said_in_a_sentence(tmp_path: Path, change: Callable[[Any], Any], said: str) -> None:
    """What is wrong with a file of conversations is an assertion that says it, and not a traceback of the kit's."""
    folder = tmp_path / "conversations"
    shutil.copytree(CONVERSATIONS, folder)
    path = folder / "text_embedding.json"
    file = json.loads(path.read_text("utf-8"))
    change(file)
    path.write_text(json.dumps(file), "utf-8")
    problems: list[str] = []
    for question in questions(SERVICE, folder):
        try:
            question.ask()
        except AssertionError as error:
            problems.append(str(error))
    assert any(said in problem for problem in problems), problems


def test_the_ids_are_readable_and_all_different() -> None:
    """A failed test says by its id which promise, task and conversation it was."""
    ids = [question.id for question in questions(SERVICE, CONVERSATIONS)]
    assert len(ids) == len(set(ids))
    assert "completion-1-a_stream_cut_at_every_byte_is_the_same" in ids


test_contract = contract(SERVICE, CONVERSATIONS)
