"""Ids for tool calls to which their provider gives none, as agents answer a call by its id."""

from __future__ import annotations

import os

import msgspec
from msgspec.structs import replace

from inferpoint.model.results import Choice, Completion, InferenceResult, ToolCall


class CallIds(msgspec.Struct, eq=False):
    """The ids of one request's tool calls, of letters, digits and `_` alone, which every provider takes back.

    A call has the same id whether it is told whole or streamed; another request's has another. Without a *request_id*,
    as the library's requests are, one is made up.
    """

    request_id: str

    def in_result(self, result: InferenceResult) -> InferenceResult:
        """*result* with an id for each call."""
        if type(result) is Completion:
            for choice in result.choices:
                for part in choice.parts:
                    if type(part) is ToolCall and not part.id:
                        return replace(result, choices=[self._in_choice(choice) for choice in result.choices])
        return result

    def in_piece(self, call: ToolCall) -> ToolCall:
        """A piece of a *call* in a stream, with an id where it is the one that has its name."""
        return call if call.name is None else self._filled(call)

    def _in_choice(self, choice: Choice) -> Choice:
        parts = tuple(self._filled(part) if isinstance(part, ToolCall) else part for part in choice.parts)
        return replace(choice, parts=parts)

    def _filled(self, call: ToolCall) -> ToolCall:
        if call.id:
            return call
        self.request_id = self.request_id or os.urandom(8).hex()
        return replace(call, id=f"call_{self.request_id}_{call.ordinal}")
