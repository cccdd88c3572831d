"""What an answer of Anthropic's cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from inferpoint.model.results import Usage
from inferpoint.protocols.readers import count


@dataclass(frozen=True)
class Counts:
    """The counts of `usage`, each None where it was not told."""

    input: int | None = None
    output: int | None = None
    cache_written: int | None = None
    cached: int | None = None
    reasoning: int | None = None

    @classmethod
    def of(cls, usage: Any) -> Counts | None:
        """The counts in *usage*, of whatever shape; None where it holds none."""
        told = _members(usage)
        counts = cls(
            count(told.get("input_tokens")),
            count(told.get("output_tokens")),
            count(told.get("cache_creation_input_tokens")),
            count(told.get("cache_read_input_tokens")),
            count(_members(told.get("output_tokens_details")).get("thinking_tokens")),
        )
        return None if counts == cls() else counts

    def usage(self) -> Usage:
        """The cost in our names; what a cache took and gave is part of the prompt, and not of `input_tokens`."""
        cached, written = self.cached or 0, self.cache_written or 0
        prompt = (self.input or 0) + written + cached
        return Usage(prompt, self.output or 0, cached, self.reasoning or 0, written)

    def then(self, later: Counts) -> Counts:
        """These counts, and those of a *later* count of the same answer where it has them."""
        return Counts(
            *(
                before if after is None else after
                for before, after in (
                    (self.input, later.input),
                    (self.output, later.output),
                    (self.cache_written, later.cache_written),
                    (self.cached, later.cached),
                    (self.reasoning, later.reasoning),
                )
            )
        )


def spent(usage: Any) -> Usage | None:
    """The cost that *usage* tells; None where it tells none."""
    counts = Counts.of(usage)
    return None if counts is None else counts.usage()


def _members(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
