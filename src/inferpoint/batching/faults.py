"""Which failures of a call may be the fault of one input among many."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from inferpoint.batching.items import Item
from inferpoint.batching.pool import Pool
from inferpoint.errors import InferenceError, Kind
from inferpoint.outbound.transport import UnreachableError

_INPUTS = (400, 413, 422)  # refusals of an input, or of one among many
# Failures that say as much of the whole server. Some answer them where a model made no numbers of one text, or one is
# too long; and 502 is also the status of an error under a 200 that names none.
_PERHAPS = (424, 500, 502)
_IN_VAIN = 32  # inputs in a row that are refused, each on its own, before it is taken for everyone's fault
_PARTS = 5  # so that of one input at fault a breaker sees many more calls pass than fail
_FAILED_PARTS = 4  # in a row, which is more than one or two inputs at fault make


def is_an_inputs(error: InferenceError) -> bool:
    """Whether an input was refused, be it one of many."""
    return error.upstream is not None and error.upstream.status in _INPUTS


def is_too_long(error: InferenceError) -> bool:
    """Whether the provider takes nothing so long."""
    return error.upstream is not None and error.upstream.status == 413


def may_be_an_inputs(error: InferenceError) -> bool:
    """Whether one input may be why all failed: the provider failed over it, hung up, or wrote what nobody can read."""
    if error.upstream is None:
        return _was_answered(error)
    return error.upstream.status in _PERHAPS


def parts(items: Sequence[Item], error: InferenceError) -> Sequence[Sequence[Item]]:
    """The parts of *items* to be sent each by itself: halves after a refusal, more after a failure of the provider."""
    number = 2 if is_an_inputs(error) else min(_PARTS, len(items))
    bounds = [len(items) * place // number for place in range(number + 1)]
    return [items[start:end] for start, end in itertools.pairwise(bounds)]


def counted(pool: Pool, error: InferenceError, again: InferenceError) -> InferenceError:
    """The error of a part of a call that failed with *error*: how it failed *again*, or *error* where it never left.

    A part that was not sent, as its address fails for all, says as much as several that failed.
    """
    if again.upstream is not None or _was_answered(again):
        pool.failed_parts += may_be_an_inputs(again)
        return again
    pool.failed_parts += _FAILED_PARTS
    return error


def is_providers(pool: Pool, error: InferenceError) -> bool:
    """Whether the provider fails whatever it is asked: so many parts of calls in a row did."""
    return may_be_an_inputs(error) and pool.failed_parts >= _FAILED_PARTS


def are_worth_a_search(pool: Pool, items: Sequence[Item], error: InferenceError) -> bool:
    """Whether to look for the inputs at fault among those of a call that failed.

    A refusal is looked into for its own sake, as it is told which input is wrong. After a failure there must be others
    that are wanted without the one at fault, as those of another request or of a partial one: a provider that may just
    be failing is not asked more for nothing.
    """
    if is_an_inputs(error):
        return pool.in_vain < _IN_VAIN
    return may_be_an_inputs(error) and pool.failed_parts < _FAILED_PARTS and _others_are_wanted(items)


def end_attempts(pool: Pool, items: Sequence[Item], status: int | None) -> bool:
    """Whether a search does more than another attempt of a call that failed as often as is usual.

    *status* is what it failed with, or None where the provider hung up.
    """
    return (status is None or status in _PERHAPS) and pool.failed_parts < _FAILED_PARTS and _others_are_wanted(items)


def _was_answered(error: InferenceError) -> bool:
    """Whether a provider took the call and wrote nonsense, or hung up: one that crashes over a text does."""
    return error.kind in (Kind.UNREADABLE, Kind.CUT_OFF) and not isinstance(error, UnreachableError)


def _others_are_wanted(items: Sequence[Item]) -> bool:
    waiters = {waiter for item in items for waiter in item.waiters}
    return len(items) > 1 and (len(waiters) > 1 or any(waiter.request.partial for waiter in waiters))
