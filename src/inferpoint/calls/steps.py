"""One step of a batch as a job for its way out: it is handed in, asked for, fetched, or ended."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace
from typing_extensions import override

from inferpoint.calls.job import EndpointJob
from inferpoint.calls.sizing import Sizing
from inferpoint.endpoints.resolved import Resolved
from inferpoint.model.deadline import Deadline
from inferpoint.model.http import Call, Reply
from inferpoint.model.quota import Cost, Lane, Rate
from inferpoint.model.requests import InferenceRequest
from inferpoint.outbound.ticket import Ticket

_FAILURE = 500


class StepJob(EndpointJob):
    """A *step* for the endpoint of *like*, until its deadline; the limits of the endpoint's own calls are not its.

    Where it may be made *once* only, there is no other attempt after one of which nobody knows what became.
    """

    def __init__(
        self, resolved: Resolved, like: InferenceRequest, sizing: Sizing, step: Call, *, once: bool = False
    ) -> None:
        anybody = replace(like.caller, limits=None)  # the batch is paid for line by line, when it is read
        super().__init__(resolved, "", replace(like, caller=anybody), sizing, like.stats)
        self.group = f"{resolved.group}/batches"
        self.lane = Lane.OTHER
        self._like = like
        self._step = step
        self._once = once

    @override
    def request(self) -> InferenceRequest:
        return self._like

    @override
    def tokens(self) -> int:
        return 0

    @override
    def cost(self) -> Cost:
        return Cost()

    @override
    def deadline(self) -> Deadline:
        return self._like.deadline

    @override
    def ticket(self, *, ahead: bool) -> Ticket:
        endpoint = self.resolved.endpoint.inference_id
        return Ticket(
            self.group, Rate(), self.caller, self.lane, self.service, self.deadline(), ahead, endpoint=endpoint
        )

    @override
    def call(self) -> Call:
        return self._step

    @override
    def sign(self, call: Call, now: datetime) -> Call:
        batches, settings = self.resolved.task.batches, self.resolved.endpoint.settings
        signed = None if batches is None else batches.sign(call, settings, self.moment(now))
        return super().sign(call, now) if signed is None else signed

    @override
    def is_final(self, reply: Reply | None) -> bool:
        if self._once and (reply is None or reply.status >= _FAILURE):
            return True
        return super().is_final(reply)

    @override
    def status(self, reply: Reply, /) -> int:
        """The reply's own: errors of lines stand among the answers."""
        return reply.status
