"""A response as JSON: whole, and as it stands while it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inferpoint.api.openai.responses import output
from inferpoint.api.openai.responses.tools import Tools
from inferpoint.model.results import Completion

_NO_TOOLS = Tools()


@dataclass(frozen=True)
class Answer:
    """A response's id, when it was asked for, what it tells of the request, and how what a model says is told.

    `tools` are those that the model may call; `service` is the one whose model answers.
    """

    id: str
    created: int
    told: Mapping[str, Any]
    tools: Tools = _NO_TOOLS
    service: str = ""

    def whole(self, result: Completion) -> dict[str, Any]:
        """The response that *result* makes."""
        reason = next((cut for choice in result.choices if (cut := output.cut_by(choice.reason))), None)
        items = output.items(result, output.Names(self.id), self.tools, self.service)
        return self.ended(items, result.model, reason) | {"usage": output.usage(result.usage)}

    def ended(self, items: Sequence[Any], model: str, reason: str | None) -> dict[str, Any]:
        """The response that ended with *items*; before it was whole, where a *reason* says why."""
        if reason is None:
            return self.standing(output.COMPLETED, items, model)
        return self.standing(output.INCOMPLETE, items, model) | {"incomplete_details": {"reason": reason}}

    def standing(self, status: str, items: Sequence[Any], model: str) -> dict[str, Any]:
        """The response with the *items* that are there; *model* is what the provider calls the one that answers."""
        return {
            **self.told,
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": model or self.told["model"],
            "output": items,
        }
