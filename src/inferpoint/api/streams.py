"""Responses that are written while a provider's deltas come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence

from inferpoint.api.face import EVENT_STREAM, Response
from inferpoint.errors import InferenceError
from inferpoint.model.results import Delta

Deltas = Sequence[Delta]


async def streamed(
    pieces: AsyncGenerator[Deltas, None],
    feed: Callable[[Deltas], bytes],
    end: Callable[[], bytes],
    fail: Callable[[InferenceError], bytes],
) -> Response:
    """A stream of events, once its first piece is there: what goes wrong before is raised, and has its own status.

    *feed* writes deltas, *end* what ends a whole answer and no other, *fail* the error in which a broken one ends.
    """
    first = await anext(pieces)

    async def events() -> AsyncGenerator[bytes, None]:
        try:
            yield feed(first)
            async for deltas in pieces:
                yield feed(deltas)
            yield end()
        except InferenceError as error:
            yield fail(error)
        finally:
            await pieces.aclose()

    return Response(content_type=EVENT_STREAM, headers={"cache-control": "no-cache"}, pieces=events())
