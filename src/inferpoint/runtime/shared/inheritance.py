"""What a worker has from its supervisor from the start: the numbers of open files, in a variable."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

VARIABLE = "INFERPOINT_INHERITED"


class Inheritance(msgspec.Struct, frozen=True):
    """The descriptors of the socket that listens and of the channel to the supervisor, and the folder for counters."""

    listener: int
    channel: int
    counters: str

    def variables(self) -> dict[str, str]:
        """The variables by which a worker knows it, and prometheus_client that it is not alone."""
        return {VARIABLE: msgspec.json.encode(self).decode(), "PROMETHEUS_MULTIPROC_DIR": self.counters}


def inherited(environ: Mapping[str, str]) -> Inheritance | None:
    """What this process has from a supervisor, if it has one."""
    text = environ.get(VARIABLE)
    return None if text is None else msgspec.json.decode(text, type=Inheritance)
