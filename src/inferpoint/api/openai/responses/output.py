"""A model's answer as the items of a response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inferpoint.api import sealed_calls
from inferpoint.api.openai.responses import custom, reasoning
from inferpoint.api.openai.responses.tools import Tools
from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.results import Choice, Completion, ToolCall, Usage

COMPLETED = "completed"
INCOMPLETE = "incomplete"
IN_PROGRESS = "in_progress"
FAILED = "failed"
MESSAGE = "msg"
CALL = "fc"
CUSTOM = "ctc"
_CUT = {"length": "max_output_tokens", "content_filter": "content_filter"}


def cut_by(reason: str | None) -> str | None:
    """Why an answer is not whole, in this API's words, when it ended for *reason*; None for one that is."""
    return _CUT.get(reason or "")


class Names:
    """The ids of the items of one response, each unlike any other here."""

    def __init__(self, response_id: str) -> None:
        self._of = response_id.partition("_")[2]
        self._count = 0

    def next(self, prefix: str) -> str:
        """The id of the next item, whose kind *prefix* tells."""
        self._count += 1
        return f"{prefix}_{self._of}{self._count:04x}"


def items(result: Completion, names: Names, tools: Tools, service: str) -> list[dict[str, Any]]:
    """The items of a whole answer of *service*; what it answers beyond one choice follows it."""
    return [item for choice in result.choices for item in _of_choice(choice, names, tools, service)]


def _of_choice(choice: Choice, names: Names, tools: Tools, service: str) -> list[dict[str, Any]]:
    status = INCOMPLETE if cut_by(choice.reason) else COMPLETED
    written: list[dict[str, Any]] = []
    for part in choice.parts:
        match part:
            case TextPart(text):
                written.append(message(names.next(MESSAGE), text, status))
            case Thought():
                written.append(reasoning.item(names.next(reasoning.PREFIX), part, service))
            case ToolCall():
                kind = kind_of(part, tools)
                name, tool = names.next(kind), tools.called(part.name or "")
                written.append(WRITERS[kind](name, call_id(part, name), tool, part.arguments or "{}", status))
    if not (choice.text or choice.tool_calls):
        written.append(message(names.next(MESSAGE), "", status))
    return written


def message(name: str, text: str | None, status: str) -> dict[str, Any]:
    """A message called *name*; None is one whose text has not begun."""
    content = [] if text is None else [text_part(text)]
    return {"id": name, "type": "message", "status": status, "role": "assistant", "content": content}


def text_part(text: str) -> dict[str, Any]:
    """A message's content."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def call_id(made: ToolCall, name: str) -> str:
    """The id by which the result of a call that was *made*, the item called *name*, names it."""
    return sealed_calls.sealed(made.id or f"call_{name}", made.extra)


def call(name: str, call_id: str, function: Mapping[str, str], arguments: str, status: str) -> dict[str, Any]:
    """A call of the *function* of these members, which its result names by *call_id*."""
    made = {"id": name, "type": "function_call", "status": status, "call_id": call_id}
    return {**made, **function, "arguments": arguments}


def custom_call(name: str, call_id: str, tool: Mapping[str, str], arguments: str, status: str) -> dict[str, Any]:
    """A call of a custom *tool*; *arguments* are those of the function that stands for it."""
    made = {"id": name, "type": "custom_tool_call", "status": status, "call_id": call_id}
    return {**made, **tool, "input": custom.text(arguments) if arguments else ""}


WRITERS = {CALL: call, CUSTOM: custom_call}


def kind_of(made: ToolCall, tools: Tools) -> str:
    """Whether a call that was *made* is one of a function or of a custom tool: the prefix of its item's id."""
    return CUSTOM if made.name in tools.customs else CALL


def usage(used: Usage | None) -> dict[str, Any]:
    """The tokens that an answer cost; zero, where the provider did not tell."""
    used = used or Usage()
    return {
        "input_tokens": used.input,
        "input_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": used.cache_written},
        "output_tokens": used.output,
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.input + used.output,
    }
