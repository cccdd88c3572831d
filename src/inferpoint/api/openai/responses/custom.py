"""Custom tools, which take a text in place of arguments: to models they are functions of one text.

No chat of another provider has them, and OpenAI's own only for its newest models. What a grammar asks of the text is
said in the function's description, as nothing checks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from inferpoint.errors import invalid
from inferpoint.model.chat import Tool
from inferpoint.model.fields import Fields
from inferpoint.model.http import NOT_JSON

KIND = "custom"
_INPUT = "input"
_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {_INPUT: {"type": "string", "description": "The whole text that the tool takes."}},
    "required": [_INPUT],
    "additionalProperties": False,
}


class _Arguments(msgspec.Struct):
    input: str


def function(fields: Fields) -> Tool:
    """The function that stands for a custom tool of these *fields*."""
    name, description = fields.need("name", str), fields.take("description", str)
    texts = [description, _grammar(Fields(fields.object("format") or {}, fields.path("format")))]
    fields.refuse("defer_loading", "allowed_callers")
    fields.end()
    return Tool(name, "\n\n".join(text for text in texts if text) or None, _PARAMETERS)


def arguments(text: str) -> str:
    """The arguments of the function for a *text* that the tool took."""
    return msgspec.json.encode({_INPUT: text}).decode()


def text(arguments: str) -> str:
    """The text that the *arguments* of the function hold; themselves, where the model wrote something else."""
    try:
        return msgspec.json.decode(arguments.encode("utf-8", "surrogatepass"), type=_Arguments).input
    except NOT_JSON:
        return arguments


def _grammar(form: Fields) -> str | None:
    """What the text must look like, in words."""
    match form.any("type"):
        case None | "text":
            words = None
        case "grammar":
            syntax, definition = form.need("syntax", str), form.need("definition", str)
            words = f"The {_INPUT} must be of this {syntax} grammar:\n{definition}"
        case kind:
            raise invalid(f"{form.name('type')} must be one of [text, grammar], not [{kind}]")
    form.end()
    return words
