"""The promises of a service, each a function that raises when it is broken; the tables at the end say what of."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from inferpoint.engine.pools import rows
from inferpoint.errors import InferenceError, Kind, Upstream
from inferpoint.model.endpoint import Endpoint, TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.inference import (
    Completion,
    Delta,
    Embeddings,
    Finished,
    InferenceRequest,
    InferenceResult,
    Ranking,
    SparseEmbeddings,
    Usage,
)
from inferpoint.model.settings import declared, described, public, secrets
from inferpoint.model.wording import looks_secret
from inferpoint.protocols.service import CONTRACT, SIMILARITIES, Moment, Service
from inferpoint.testing.conversations import Asked, Many, Refusal, Said
from inferpoint.testing.strange import (
    COUNTS,
    NOT_ANSWERS,
    RESETS,
    STRANGE,
    STRANGE_HEADERS,
    EveryHeader,
    put,
    shape,
    strange_events,
    strange_versions,
)

NOON = Moment(datetime(2026, 11, 20, 12, tzinfo=UTC))
SHORTEST_SECRET = 8  # a shorter one may stand in a text by chance

COMPLAINT_NAMES = (
    "error",
    "message",
    "type",
    "code",
    "param",
    "detail",
    "error_type",
    "errors",
    "Message",
    "__type",
    "details",
)


def it_is_declared_whole(service: Service) -> None:
    """It has a name, a title and tasks, and was written for this version of the contract."""
    _same("the version of the contract", service.contract, CONTRACT)
    _must(bool(service.name), "the service has no name")
    _must(bool(service.title), "the service has no title")
    _must(bool(service.tasks), "the service has no task")


def any_complaint_is_read_or_is_an_error(service: Service) -> None:
    """An error body may be anything; what reads it raises nothing but an `InferenceError`."""
    said = [msgspec.json.encode({name: strange}) for name in COMPLAINT_NAMES for strange in STRANGE]
    said += [
        msgspec.json.encode({outer: {name: strange}})
        for outer in ("error", "detail", "message")
        for name in COMPLAINT_NAMES
        for strange in STRANGE
    ]
    for body in (*NOT_ANSWERS, *said):
        _complaint(service, Reply(500, body))


def a_complaint_may_be_nested_deeply(service: Service) -> None:
    """However deep an error body is, it does not overflow what reads it."""
    for name in COMPLAINT_NAMES:
        for depth in (10, 100, 400, 900, 5000):
            _complaint(service, Reply(500, f'{{"{name}":'.encode() + b"[" * depth + b'"x"' + b"]" * depth + b"}"))


def headers_tell_of_limits_that_make_sense_or_of_none(service: Service) -> None:
    """Whatever a reply's headers are, what reads the provider's limits in them raises nothing."""
    for count, reset in itertools.product(COUNTS, RESETS):
        headers = EveryHeader(count, reset)
        try:
            told = service.quota(headers, NOON.time)
        except Exception as error:
            raise AssertionError(f"{headers!r} raised {error!r}, where nothing may be raised") from error
        for bucket in filter(None, (told.requests, told.tokens)):
            sense = bucket.limit > 0 and 0 <= bucket.remaining <= bucket.limit and 0 <= bucket.full_in < math.inf
            _must(sense, f"{headers!r} tells of {bucket!r}")


def a_task_is_declared_whole(asked: Asked) -> None:
    """What a task declares agrees with itself, and every setting says what it is for."""
    task = asked.task
    _must(bool(task.label), "the task has no label")
    every = [each for cls in (task.settings, task.options) for each in declared(cls)]
    names = [each.name for each in every]
    _must(len(names) == len(set(names)), f"a setting and an option have one name, of {names}")
    for each in every:
        _must(
            each.secret or not looks_secret(each.name),
            f"[{each.name}] is a secret by its name, and not declared as one",
        )
        _must(each.nested or each.help.endswith("."), f"what [{each.name}] is for is not a sentence: {each.help!r}")
    for each in declared(task.options):
        _must(each.updatable, f"the option [{each.name}] is not updatable, and every request may set it")
    for cls in (task.settings, task.options):
        msgspec.json.encode(described(cls))
    dense = asked.kind.embeds and asked.kind is not TaskType.SPARSE_EMBEDDING
    _must(dense == (task.similarity is not None), "dense embeddings compare by a similarity, others by none")
    _must(not (asked.kind.embeds and task.reader), "embeddings do not stream")


def it_has_conversations_that_say_where_they_come_from(asked: Asked) -> None:
    """A task has at least two entries in its file, a streaming task a stream, and each entry names its origin."""
    found = asked.file()
    entries = [*found.conversations, *found.refusals]
    _must(len(entries) >= 2, "one conversation and one refusal at the least say what a provider does")
    for each in entries:
        _must(len(each.origin) > 5, f"an origin says where an entry is from, and not {each.origin!r}")
    streams = any(each.stream for each in found.conversations)
    _must(any(not each.stream for each in found.conversations), "no conversation has a whole reply")
    _must(streams or asked.task.reader is None, "the task streams, and no conversation does")
    _must(not streams or asked.task.reader is not None, "a conversation streams, and the task does not")
    for each in found.conversations:
        told = each.deltas if each.stream else each.result
        _must(told is not None, "a streamed conversation says its [deltas], another its [result]")


def every_secret_is_in_a_conversation(asked: Asked) -> None:
    """Each secret setting has a value somewhere, long enough to be looked for."""
    planted = [item for said in asked.said() for item in secrets(said.settings).items()]
    for each in declared(asked.task.settings):
        # A secret that only a grant's call carries leaves in no conversation.
        if each.secret and (each.required or asked.service.grant is None):
            _must(any(name == each.name for name, _ in planted), f"no conversation has the secret [{each.name}]")
    for name, value in planted:
        _must(len(value) >= SHORTEST_SECRET, f"the secret [{name}] is shorter than {SHORTEST_SECRET} characters")


def n_inputs_are_n_vectors_in_order(asked: Asked) -> None:
    """One input, a full call and one more than a full call give each input its own vector, in order."""
    many = asked.file().many
    if many is None:
        raise AssertionError("The file of an embedding task says in [many] how the provider answers many texts")
    said = asked.said()[0]
    settings, options = said.settings, said.options
    limits = asked.task.limits(settings)
    batch = limits.inputs or 50
    for count in (1, batch, batch + 1, 2 * batch + 1):
        found: list[float] = []
        for first in range(0, count, batch):
            each = InferenceRequest(tuple(str(number) for number in range(first, min(first + batch, count))))
            call = asked.service.sign(asked.task.encode(each, settings, options, said.origin), settings, NOON)
            result = asked.task.decode(answered(many, call), each, settings, options)
            rows(result, each.count)
            found += firsts(result)
        _same(f"the order of {count} vectors", found, list(range(count)))


def the_call_is_exactly_the_recorded_one(said: Said) -> None:
    """Encoded, then signed, a request is the call that the provider documents: method, address, headers, body."""
    call, wanted = said.service.sign(said.encoded(), said.settings, NOON), said.given.call
    _same("the method", call.method, wanted.method)
    _same("the address", call.url, wanted.url)
    _same("the headers", dict(call.headers), wanted.headers)
    _same("the body", msgspec.json.decode(call.body), wanted.body)


def encoding_twice_is_the_same_and_changes_nothing(said: Said) -> None:
    """Equal requests make equal bytes, and what was given stays as it was."""
    given = said.request, said.settings, said.options
    before = repr((given, secrets(given[1])))
    first, second = (said.task.encode(*given, said.origin) for _ in range(2))
    _same("the second call", (second, second.body, dict(second.headers)), (first, first.body, dict(first.headers)))
    _same("what was given", repr((given, secrets(given[1]))), before)


def signing_adds_headers_and_changes_nothing_else(said: Said) -> None:
    """A signed call is the same call with more headers, all of them in lower case and on one line."""
    call = said.encoded()
    before = dict(call.headers)
    signed = said.service.sign(call, said.settings, NOON)
    _must(replace(signed, headers=call.headers) == call, "signing changes the method, the address or the body")
    _same("the headers of the call that was signed", dict(call.headers), before)
    _same("the headers from before", {name: signed.headers.get(name) for name in before}, before)
    for name, value in signed.headers.items():
        _must(name == name.lower(), f"the header {name!r} is not in lower case")
        _must("\n" not in value and "\r" not in value, f"the header {name!r} has a line's end in it")


def no_secret_is_in_any_repr(said: Said) -> None:
    """Settings, endpoints, calls and what is shown of them hold no secret."""
    planted = secrets(said.settings)
    for each in declared(said.task.settings):
        given = each.secret and said.given.settings.get(each.name) is not None
        _must(not given or each.name in planted, f"the secret [{each.name}] is lost")
    call = said.encoded()
    signed = said.service.sign(call, said.settings, NOON)
    endpoint = Endpoint("e", said.kind, said.service.name, said.settings, said.options, None, "v")
    texts = [repr(each) for each in (said.settings, said.options, endpoint, call, signed, [signed])]
    texts += [str(public(said.settings)), str(public(said.options)), signed.url, signed.body.decode(errors="replace")]
    for text in texts:
        for name, value in planted.items():
            _must(value not in text, f"the secret [{name}] is in {text.replace(value, '***')}")


def equal_settings_share_a_queue(said: Said) -> None:
    """What limits and compares follows from the settings alone, and is a value that makes sense."""
    task, first, second = said.task, said.settings, said.settings
    groups = [task.rate_group(each) for each in (first, second)]
    _same("the rate group of equal settings", repr(groups[1]), repr(groups[0]))
    hash(groups[0])
    for name, limit in asdict(task.limits(first)).items():
        _must(limit is None or limit >= 1, f"the limit of {name} is {limit}")
    _must(task.default_rate is None or task.default_rate(first) >= 1, "the default rate is less than one a minute")
    if task.similarity is not None:
        _must(task.similarity(first) in SIMILARITIES, f"the similarity is none of {SIMILARITIES}")


def the_reply_means_exactly_what_is_recorded(said: Said) -> None:
    """The recorded reply is decoded to the recorded result."""
    found, wanted = said.decoded(said.body), said.given.result or {}
    match found:
        case Embeddings():
            _same("the embeddings", _numbers(found), wanted.get("embeddings"))
            _same("how many inputs were cut", len(found.cut), wanted.get("cut", 0))
        case Completion():
            nothing: dict[str, Any] = {"tool_calls": [], "reasoning": ""}
            choices = [
                asdict(each) | {"tool_calls": [asdict(call) for call in each.tool_calls]} for each in found.choices
            ]
            _same("the choices", choices, [nothing | each for each in wanted.get("choices", ())])
            _same("id and model", (found.id, found.model), (wanted.get("id", ""), wanted.get("model", "")))
        case SparseEmbeddings():
            _same("the weights", [dict(weights) for weights, _ in found.weights], wanted.get("weights"))
            _same("how many inputs were cut", sum(cut for _, cut in found.weights), wanted.get("cut", 0))
        case Ranking():
            _same("the ranking", [[each.index, each.score, each.text] for each in found.ranked], wanted.get("ranked"))
        case _:
            raise AssertionError(f"a result that cannot be compared yet: {found!r}")
    _same("the usage", asdict(found.usage) if found.usage else None, _whole_usage(wanted.get("usage")))


def what_is_no_answer_is_an_error(said: Said) -> None:
    """A reply that is empty, HTML, null or of another shape is an `InferenceError`, and nothing else."""
    for body in NOT_ANSWERS:
        _unreadable(said, body)


def an_answer_cut_short_at_any_byte_is_an_error(said: Said) -> None:
    """No beginning of an answer is taken for the whole of it."""
    for length in range(len(said.body)):
        _unreadable(said, said.body[:length])


def an_answer_with_anything_strange_in_it_is_an_answer_or_an_error(said: Said) -> None:
    """Whatever stands in the place of whatever part of an answer, nothing but an `InferenceError` is raised."""
    for body in strange_versions(said.body):
        _an_answer_or_an_error(said, body, said.given.reply.headers)
    for name in said.given.reply.headers or {"x": ""}:
        for value in STRANGE_HEADERS:
            _an_answer_or_an_error(said, said.body, {**said.given.reply.headers, name: value})
    _an_answer_or_an_error(said, said.body, {})


def an_answer_for_more_or_fewer_inputs_is_an_error(said: Said) -> None:
    """A provider that loses an input, or makes one up, is not believed."""
    settings, options = said.settings, said.options
    for texts in (("one more", *said.request.texts), said.request.texts[1:]):
        request = replace(said.request, input=texts)
        try:
            found = said.task.decode(Reply(200, said.body, said.given.reply.headers), request, settings, options)
            assert isinstance(found, Embeddings | SparseEmbeddings)
            rows(found, len(texts))
        except InferenceError as error:
            _must(error.kind is Kind.UNREADABLE, f"the provider's fault is said to be {error!r}")
        else:
            count = len(said.request.texts)
            raise AssertionError(f"{count} embeddings were taken for the answer to {len(texts)} inputs")


def the_stream_means_exactly_what_is_recorded(said: Said) -> None:
    """The recorded stream is read to the recorded deltas, and once more by a reader that knows nothing of the first."""
    wanted = [_whole_delta(each) for each in said.given.deltas or ()]
    for what in ("the deltas", "the deltas of the next stream"):
        found = said.streamed([said.body])
        for delta in found:
            _must(isinstance(delta, Delta), f"a stream ends in {delta!r}")
        _same(what, [[type(delta).__name__, *asdict(delta).values()] for delta in found], wanted)


def a_stream_cut_at_every_byte_is_the_same(said: Said) -> None:
    """In whatever two pieces a stream comes, its deltas are the same."""
    wanted = said.streamed([said.body])
    for place in range(len(said.body) + 1):
        _same(f"a stream cut at {place}", said.streamed([said.body[:place], said.body[place:]]), wanted)
    _same("a stream in single bytes", said.streamed([bytes([byte]) for byte in said.body]), wanted)


def a_stream_that_ends_early_does_not_end_well(said: Said) -> None:
    """A stream cut off at any byte is an error unless the finish was seen; its deltas are the first of the whole."""
    wanted = said.streamed([said.body])
    for length in range(len(said.body)):
        found = said.streamed([said.body[:length]])
        if found and isinstance(found[-1], InferenceError):
            error = found.pop()
            _must(error.kind is Kind.CUT_OFF, f"a stream that ended after {length} bytes is said to be {error!r}")
        else:
            finished = any(isinstance(delta, Finished) for delta in found)
            _must(finished, f"a stream that ended after {length} bytes was taken for a whole one")
        _same(f"the deltas of the first {length} bytes", found, wanted[: len(found)])


def a_stream_with_anything_strange_in_it_is_read_or_is_an_error(said: Said) -> None:
    """Whatever event comes, a reader raises nothing but an `InferenceError`."""
    strange = [*NOT_ANSWERS[:24], *(msgspec.json.encode(value) for value in STRANGE)]
    for place in range(len(said.body) + 1):
        data = b"\n\ndata: " + strange[place % len(strange)] + b"\n\n"
        with _nothing_but_our_error(data):
            said.streamed([said.body[:place] + data + said.body[place:]])
    events, shapes = said.events(), set[Any]()
    for place, event in enumerate(events):
        alike = event.name, shape(event.data)
        if alike in shapes:  # most of a stream are events that differ in their text only
            continue
        shapes.add(alike)
        for other in strange_events(event):
            with _nothing_but_our_error(other.data):
                said.read([*events[:place], other, *events[place + 1 :]])


def a_complaint_is_found_where_the_provider_puts_it(given: tuple[Service, Refusal]) -> None:
    """The message, type, code and parameter of a provider's error body are found."""
    service, refusal = given
    found = asdict(service.complaint(Reply(refusal.status, msgspec.json.encode(refusal.body))))
    _same("the complaint", found, {**asdict(Upstream(refusal.status)), **refusal.said})


def answered(many: Many, call: Call) -> Reply:
    """The reply to *call*, with a vector for every text whose first number is the text."""
    texts = msgspec.json.decode(call.body)
    for name in many.inputs:
        texts = texts[name]
    rows = [
        _filled(many.row, {"<index>": index, "<vector>": [int(text), 1], "<number>": int(text)})
        for index, text in enumerate(texts)
    ]
    if many.by_index:
        rows.reverse()
    return Reply(200, msgspec.json.encode(put(many.reply, tuple(many.rows), rows)))


def firsts(found: InferenceResult) -> list[float]:
    """The first number of every vector, or the first weight of every sparse one."""
    match found:
        case Embeddings():
            return [row[0] for row in _numbers(found)]
        case SparseEmbeddings(rows):
            return [next(iter(weights.values())) for weights, _ in rows]
        case _:
            raise AssertionError(f"embeddings are expected, and not {found!r}")


def _same(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise AssertionError(f"{what}:\n   found {found!r}\n  wanted {wanted!r}")


def _must(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as an assertion, and holds under `python -O`
    if not holds:
        raise AssertionError(otherwise)


@contextmanager
def _nothing_but_our_error(given: bytes) -> Generator[None]:
    """An `InferenceError` is an answer too; whatever else is raised breaks a promise."""
    try:
        yield
    except InferenceError as error:
        _must(bool(error.problems), "an error says what is wrong")
    except AssertionError:
        raise
    except Exception as error:
        problem = f"{given[:200]!r} raised {error!r}, where nothing but an InferenceError may be raised"
        raise AssertionError(problem) from error


def _unreadable(said: Said, body: bytes) -> None:
    with _nothing_but_our_error(body):
        try:
            said.decoded(body)
        except InferenceError as error:
            expected = error.kind in (Kind.UNREADABLE, Kind.CUT_OFF, Kind.INTERNAL)
            _must(expected, f"{body[:200]!r} is the provider's fault, and said to be {error!r}")
        else:
            raise AssertionError(f"{body[:200]!r} was taken for an answer")


def _an_answer_or_an_error(said: Said, body: bytes, headers: Mapping[str, str]) -> None:
    with _nothing_but_our_error(body):
        found: Any = said.decoded(body, headers)
        _must(found is not None, f"{body[:200]!r} was decoded to nothing")
        if isinstance(found, Embeddings):
            _must(all(_numbers(found)), f"{body[:200]!r} was decoded to an empty vector")


def _complaint(service: Service, reply: Reply) -> None:
    with _nothing_but_our_error(reply.body):
        message: Any = service.complaint(reply).message
        _must(isinstance(message, str), f"the message of {reply.body[:200]!r} is {message!r}")


def _numbers(found: Any) -> list[list[float]]:
    return [msgspec.json.decode(vector, type=list[float]) for vector in found.vectors]


def _whole_usage(given: Mapping[str, int] | None) -> dict[str, int] | None:
    return None if given is None else {**asdict(Usage()), **given}


def _whole_delta(given: Sequence[Any]) -> list[Any]:
    name, *values = given
    return [name, *(_whole_usage(cast("dict[str, int]", each)) if isinstance(each, dict) else each for each in values)]


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(template, dict):
        members = cast("dict[str, Any]", template)
        return {name: _filled(inner, values) for name, inner in members.items()}
    return values.get(template, template) if isinstance(template, str) else template


Promises = tuple[Callable[[Any], None], ...]

OF_A_SERVICE: Promises = (
    it_is_declared_whole,
    any_complaint_is_read_or_is_an_error,
    a_complaint_may_be_nested_deeply,
    headers_tell_of_limits_that_make_sense_or_of_none,
)
OF_A_TASK: Promises = (
    a_task_is_declared_whole,
    it_has_conversations_that_say_where_they_come_from,
    every_secret_is_in_a_conversation,
)
OF_AN_EMBEDDING_TASK: Promises = (n_inputs_are_n_vectors_in_order,)
OF_A_CONVERSATION: Promises = (
    the_call_is_exactly_the_recorded_one,
    encoding_twice_is_the_same_and_changes_nothing,
    signing_adds_headers_and_changes_nothing_else,
    no_secret_is_in_any_repr,
    equal_settings_share_a_queue,
)
OF_AN_ANSWER: Promises = (
    the_reply_means_exactly_what_is_recorded,
    what_is_no_answer_is_an_error,
    an_answer_cut_short_at_any_byte_is_an_error,
    an_answer_with_anything_strange_in_it_is_an_answer_or_an_error,
)
OF_VECTORS: Promises = (an_answer_for_more_or_fewer_inputs_is_an_error,)
OF_A_STREAM: Promises = (
    the_stream_means_exactly_what_is_recorded,
    a_stream_cut_at_every_byte_is_the_same,
    a_stream_that_ends_early_does_not_end_well,
    a_stream_with_anything_strange_in_it_is_read_or_is_an_error,
)
OF_A_REFUSAL: Promises = (a_complaint_is_found_where_the_provider_puts_it,)
