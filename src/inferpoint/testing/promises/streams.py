"""Promises of how a stream is read, wherever its bytes are cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.results import Delta, Finished, Used
from inferpoint.testing.conversations import Exchange
from inferpoint.testing.promises.checks import must, nothing_but_our_error, same, whole_usage
from inferpoint.testing.strange import NOT_ANSWERS, STRANGE, newer_versions, shape, strange_events


def the_stream_means_exactly_what_is_recorded(exchange: Exchange) -> None:
    """The recorded stream is read to the recorded deltas, and once more by a reader that knows nothing of the first."""
    wanted = [_whole_delta(delta) for delta in exchange.recording.deltas or ()]
    for what in ("the deltas", "the deltas of the next stream"):
        deltas = exchange.streamed([exchange.body])
        for delta in deltas:
            must(isinstance(delta, Delta), f"a stream ends in {delta!r}")
        same(what, [[type(delta).__name__, *msgspec.to_builtins(delta).values()] for delta in deltas], wanted)


def a_stream_cut_at_every_byte_is_the_same(exchange: Exchange) -> None:
    """In whatever two pieces a stream comes, its deltas are the same."""
    wanted = exchange.streamed([exchange.body])
    for place in range(len(exchange.body) + 1):
        same(f"a stream cut at {place}", exchange.streamed([exchange.body[:place], exchange.body[place:]]), wanted)
    same("a stream in single bytes", exchange.streamed([bytes([byte]) for byte in exchange.body]), wanted)


def a_stream_that_ends_early_does_not_end_well(exchange: Exchange) -> None:
    """A stream cut off at any byte is an error unless the finish was seen; its deltas are the first of the whole.

    One whose end nothing marks is cut off between two events by its connection alone.
    """
    if exchange.recording.unmarked:
        return
    wanted = exchange.streamed([exchange.body])
    for length in range(len(exchange.body)):
        deltas = exchange.streamed([exchange.body[:length]])
        if deltas and isinstance(deltas[-1], InferenceError):
            error = deltas.pop()
            must(error.kind is Kind.CUT_OFF, f"a stream that ended after {length} bytes is said to be {error!r}")
        else:
            finished = any(isinstance(delta, Finished) for delta in deltas)
            must(finished, f"a stream that ended after {length} bytes was taken for a whole one")
        same(f"the deltas of the first {length} bytes", deltas, wanted[: len(deltas)])


def a_stream_with_anything_strange_in_it_is_read_or_is_an_error(exchange: Exchange) -> None:
    """Whatever event comes, a reader raises nothing but an `InferenceError`."""
    strange = [*NOT_ANSWERS[:24], *(msgspec.json.encode(value) for value in STRANGE)]
    for place in range(len(exchange.body) + 1):
        data = b"\n\ndata: " + strange[place % len(strange)] + b"\n\n"
        with nothing_but_our_error(data):
            exchange.streamed([exchange.body[:place] + data + exchange.body[place:]])
    events, shapes = list(exchange.events([exchange.body])), set[Any]()
    for place, event in enumerate(events):
        alike = event.name, shape(event.data)
        if alike in shapes:  # most of a stream are events that differ in their text only
            continue
        shapes.add(alike)
        for other in strange_events(event):
            with nothing_but_our_error(other.data):
                exchange.read([*events[:place], other, *events[place + 1 :]])


def a_stream_with_new_members_is_a_stream(exchange: Exchange) -> None:
    """Wherever a provider adds a member that nobody knows yet, a stream is read to as many deltas as without it."""
    events, shapes = list(exchange.events([exchange.body])), set[Any]()
    count = len(exchange.read(events))
    for place, event in enumerate(events):
        alike = event.name, shape(event.data)
        if alike not in shapes:
            shapes.add(alike)
            for data in newer_versions(event.data):
                deltas = exchange.read([*events[:place], replace(event, data=data), *events[place + 1 :]])
                same(f"the deltas of a stream with {data[:200]!r}", len(deltas), count)


def _whole_delta(recorded: Sequence[Any]) -> list[Any]:
    name, *values = recorded
    kind = next(kind for kind in get_args(Delta) if kind.__name__ == name)
    usual = [field.default for field in msgspec.structs.fields(kind)[len(values) :]]
    if kind is Used:
        return [name, *(whole_usage(value) for value in values)]
    return [name, *values, *usual]
