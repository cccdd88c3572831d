"""The words for a call that was not made: a full queue, a turn too late, a pause, an address left alone."""

from __future__ import annotations

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.times import human
from inferpoint.outbound.ticket import Reason, Refusal, Ticket


def refused(refusal: Refusal, ticket: Ticket, inference_id: str) -> InferenceError:
    """The error that *refusal* of a call with *ticket* stands for, in Elasticsearch's words where it has some.

    `RATE_LIMITED` with whose limit it was, or `OVERLOADED`; `retry_after` is in seconds.
    """
    why = f"Failed to execute task for inference id [{inference_id}] because the request service [{ticket.group}]"
    match refusal.reason:
        case Reason.LATE:
            problem = (
                f"{why} has a queue of [{refusal.wait:.1f}s]{_limits(ticket)},"
                " which is longer than the timeout of the request"
            )
            return InferenceError(Kind.RATE_LIMITED, problem, retry_after=refusal.retry_after, whose_limit="ours")
        case Reason.PAUSED:
            problem = f"{why} is paused for [{refusal.wait:.1f}s], as its provider asked"
            return InferenceError(Kind.RATE_LIMITED, problem, retry_after=refusal.retry_after, whose_limit="provider")
        case Reason.OWN_RATE | Reason.BUDGET | Reason.NO_PRICE:
            return _of_key(refusal, ticket)
        case Reason.FULL:
            problem = f"{why} queue is full"
        case Reason.BROKEN | Reason.UNREACHABLE:
            what = "too many of the calls to it failed" if refusal.reason is Reason.BROKEN else "it cannot be reached"
            problem = (
                f"The provider at [{refusal.address}] is not called now, because {what};"
                f" the next try is in [{refusal.wait:.1f}s]"
            )
        case Reason.STOPPING:
            problem = "The server is being stopped"
        case Reason.UNWANTED:
            problem = "Nobody waits for the answer any more"
    return InferenceError(Kind.OVERLOADED, problem, retry_after=refusal.retry_after)


def _of_key(refusal: Refusal, ticket: Ticket) -> InferenceError:
    """The error of a caller that has limits of its own, named with the public id of its key."""
    limit, key = refusal.limit, f"The key [{ticket.caller.name}]"
    most, soon = getattr(ticket.caller.limits, limit), human(round(refusal.retry_after or 0.0, 1))
    match refusal.reason:
        case Reason.NO_PRICE:
            problem = f"{key} has a budget of [{most:g}] {limit}, and the endpoint [{ticket.endpoint}] has no [price]"
            return InferenceError(Kind.FORBIDDEN, problem)
        case Reason.BUDGET:
            why = "and this call would take more than is left of it: there may be room"
            problem = f"{key} has a budget of [{most}] {limit}, {why} in [{soon}]"
        case _:
            problem = f"{key} has [{most}] {limit}, and its turn is in [{soon}], after the timeout of the request"
    return InferenceError(Kind.RATE_LIMITED, problem, retry_after=refusal.retry_after, whose_limit="key")


def too_late(ticket: Ticket, inference_id: str, waited: float) -> InferenceError:
    """What is told to a caller who has waited too long for the answer to come in time."""
    return refused(Refusal(Reason.LATE, waited, waited), ticket, inference_id)


def _limits(ticket: Ticket) -> str:
    shown = " and ".join(f"[{limit}] {unit}" for unit, limit in ticket.rate.present())
    return f" at {shown} a minute" if shown else ""
