"""The contract of a framing: what cuts the body of a stream into events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from inferpoint.model.http import Event


class Framing(Protocol):
    """Cuts a body into events however its bytes arrive; new for every stream."""

    def feed(self, data: bytes, /) -> Sequence[Event]:
        """The events that *data* completes."""
        ...

    def end(self) -> Sequence[Event]:
        """The events that the body's end completes."""
        ...
