"""The call of an endpoint as a job for its way out."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace
from typing_extensions import override

from inferpoint.calls import provider_errors
from inferpoint.calls.call_ids import CallIds
from inferpoint.calls.sizing import MEDIUM_BYTES, Load, Sizing, load_of
from inferpoint.endpoints.resolved import Resolved
from inferpoint.model.chat import Conversation, FilePart, ImagePart, Part, TextPart
from inferpoint.model.deadline import NEVER, Deadline
from inferpoint.model.http import Call, Reply
from inferpoint.model.quota import Allowance, Cost, Lane
from inferpoint.model.requests import Caller, InferenceRequest, InputType, RequestStats
from inferpoint.model.results import InferenceResult, Usage
from inferpoint.model.secrets import Secrets
from inferpoint.outbound.ticket import Job, Ticket
from inferpoint.protocols import error_bodies, pauses
from inferpoint.protocols.service import Moment, Question

_FILE_BYTES = 10  # of a PDF for each byte of its words: a page is 75 KB, and takes about 2500 tokens
_LANES = {InputType.SEARCH: Lane.SEARCH, InputType.INGEST: Lane.INGEST}


class EndpointJob(Job):
    """One call of the endpoint *resolved*, at the address *origin*; *like* is a request with all but the inputs.

    `sizing` is what is known of such calls, `token` that of the endpoint's grant, where it has one; `left_out` names
    the members that the server refuses, and that nobody asked for; `stats` counts what happens.
    """

    def __init__(
        self, resolved: Resolved, origin: str, like: InferenceRequest, sizing: Sizing, stats: RequestStats
    ) -> None:
        self.resolved = resolved
        self.sizing = sizing
        self.origin = origin
        self.caller = like.caller
        self.service = resolved.service.name
        self.group = resolved.group
        self.lane = Lane.OTHER if like.input_type is None else lane(like)
        self.stats = stats
        self.token = ""
        self.left_out: frozenset[str] = frozenset()
        self.call_ids = CallIds(like.request_id)

    @abstractmethod
    def request(self) -> InferenceRequest | None:
        """The request of the call, which does not change any more; None when nobody wants it."""

    @abstractmethod
    def tokens(self) -> int:
        """The tokens of the call as far as is known."""

    @override
    def cost(self) -> Cost:
        return Cost(tokens=self.tokens(), calls=1)

    @property
    def secrets(self) -> Secrets:
        """The secrets of the call: those of its endpoint, and its token."""
        known = self.resolved.secrets
        return Secrets((*known.values, self.token)) if self.token else known

    @override
    def ticket(self, *, ahead: bool) -> Ticket:
        return ticket(self.resolved, self.caller, self.lane, self.deadline(), ahead=ahead)

    @override
    def call(self) -> Call | None:
        request = self.request()
        if request is not None and self.left_out:
            request = replace(request, left_out=self.left_out)
        return None if request is None else encoded(self.resolved, request, self.origin)

    @override
    def sign(self, call: Call, now: datetime) -> Call:
        return self.resolved.service.sign(call, self.resolved.endpoint.settings, self.moment(now))

    def moment(self, now: datetime) -> Moment:
        """The world as signing needs it."""
        return Moment(now, self.token)

    # As they are functions of the reply alone they are not wrapped; pyright takes them for methods without `self`.
    status = staticmethod(error_bodies.status)  # pyright: ignore[reportAssignmentType]
    pause = staticmethod(pauses.told)  # pyright: ignore[reportAssignmentType]

    @override
    def is_final(self, reply: Reply | None) -> bool:
        if reply is None:
            return False
        return self.resolved.task.failures.exhausted(provider_errors.parsed(self.resolved, reply, self.secrets))

    @override
    def allowance(self, headers: Mapping[str, str], now: datetime) -> Allowance:
        return self.resolved.service.quota(headers, now)

    def decode(self, reply: Reply) -> InferenceResult:
        """The result that *reply* holds; `UNREADABLE` when it holds none."""
        request, endpoint = self.request(), self.resolved.endpoint
        assert request is not None
        return self.call_ids.in_result(self.resolved.task.decode(reply, request, endpoint.settings, endpoint.options))


class SingleJob(EndpointJob):
    """The call of one request that shares it with no other.

    `input_tokens` are those that the request is estimated to have, without what a model may write.
    """

    def __init__(self, resolved: Resolved, origin: str, request: InferenceRequest, sizing: Sizing) -> None:
        super().__init__(resolved, origin, request, sizing, request.stats)
        self._request = request
        self.input_tokens = sizing.tokens(_load(request))
        written = int(sizing.output) if resolved.endpoint.task_type.generates else 0
        self._cost = Cost(tokens=self.input_tokens + written, output=written, calls=1)
        self._begin_by = sizing.begin_by(request.deadline)

    @override
    def request(self) -> InferenceRequest:
        return self._request

    @override
    def tokens(self) -> int:
        return self._cost.tokens

    @override
    def cost(self) -> Cost:
        return self._cost

    @override
    def deadline(self) -> Deadline:
        return self._begin_by


class QuestionJob(SingleJob):
    """The call that asks *question* about a request, which costs no tokens."""

    def __init__(
        self,
        resolved: Resolved,
        origin: str,
        request: InferenceRequest,
        sizing: Sizing,
        question: Question[Any, Any, Any],
    ) -> None:
        super().__init__(resolved, origin, request, sizing)
        self.question = question
        self._cost = Cost()

    @override
    def call(self) -> Call:
        endpoint = self.resolved.endpoint
        return self.question.encode(self.request(), endpoint.settings, endpoint.options, self.origin)


def cost_of(usage: Usage) -> Cost:
    """What a call took of each limit in the end, as its provider counted."""
    return Cost(1, usage.input + usage.output, usage.output, usage.cached, usage.cache_written, calls=1)


def lane(request: InferenceRequest) -> Lane:
    """The lane of a request, as its input type tells; one whose patience ends, as a trial's, is like any other."""
    if request.input_type is None or request.patience < math.inf:
        return Lane.OTHER
    return _LANES.get(request.input_type, Lane.OTHER)


def ticket(
    resolved: Resolved, caller: Caller, lane: Lane, deadline: Deadline = NEVER, *, ahead: bool = False
) -> Ticket:
    """The place where calls of *resolved* wait."""
    endpoint = resolved.endpoint.inference_id
    return Ticket(
        resolved.group,
        resolved.rate,
        caller,
        lane,
        resolved.service.name,
        deadline,
        ahead,
        endpoint=endpoint,
        price=resolved.endpoint.price,
    )


def encoded(resolved: Resolved, request: InferenceRequest, origin: str) -> Call:
    """The call that asks *request* of the provider, not signed yet."""
    endpoint = resolved.endpoint
    return resolved.task.encode(request, endpoint.settings, endpoint.options, origin)


def _load(request: InferenceRequest) -> Load:
    """The load of a request that has a call of its own: of a chat its turns and tools, and what an image takes."""
    match request.input:
        case (str(text),):
            return load_of(text)
        case Conversation() as conversation:
            parts = [part for turn in conversation.messages for part in turn.parts if type(part) is not TextPart]
            return Load(1, len(msgspec.json.encode(conversation)) - sum(map(_beyond_words, parts)))
        case asked:
            return Load(1, len(msgspec.json.encode(asked)))


def _beyond_words(part: Part) -> int:
    """The bytes of an image or a document beyond those of words that would take as many tokens."""
    match part:
        case ImagePart(url) if url.startswith("data:"):
            return max(0, len(url) - MEDIUM_BYTES)
        case FilePart(data) if data.startswith("data:"):
            return len(data) - len(data) // _FILE_BYTES
        case _:
            return 0
