"""The inheritance of a worker: what its supervisor gives it from the start, in a variable."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from inferpoint.config import INHERITED


class Inheritance(msgspec.Struct, frozen=True):
    """The number of a worker, the descriptors of the listening socket and of the channel, and the folder for counters.

    A worker that takes another's place has its number.
    """

    number: int
    listener: int
    channel: int
    counters: str

    def variables(self) -> dict[str, str]:
        """The variables by which a worker knows it, and prometheus_client that it is not alone."""
        return {INHERITED: msgspec.json.encode(self).decode(), "PROMETHEUS_MULTIPROC_DIR": self.counters}


def inherited(environ: Mapping[str, str]) -> Inheritance | None:
    """The inheritance of this process, if it has a supervisor."""
    text = environ.get(INHERITED)
    return None if text is None else msgspec.json.decode(text, type=Inheritance)
