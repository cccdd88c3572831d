"""OpenAI's chat messages and tools, to a conversation and back.

Spoken by OpenAI, Hugging Face and many a server, and by two faces of ours: Elasticsearch's `chat_completion` has the
same messages. What is refused is refused in Elasticsearch's words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from typing_extensions import override

from inferpoint.errors import InferenceError, invalid
from inferpoint.model.chat import (
    Content,
    Conversation,
    FilePart,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    Tool,
    ToolChoice,
    ToolMode,
    ToolUse,
)
from inferpoint.model.fields import Fields, Vocabulary
from inferpoint.model.http import present
from inferpoint.model.wording import JAVA_NAMES, as_java, nothing_in

_ROLES = {"developer": Role.SYSTEM} | {role.value: role for role in Role}
_DETAILS = ("auto", "low", "high")
_ELSEWHERE = "The result is in the next message of the user."
# An assistant's turn comes back as a client keeps it, with members that say nothing.
_SILENT = (
    "refusal", "annotations", "audio", "function_call", "reasoning", "reasoning_details", "name",
    "provider_specific_fields",
)  # fmt: skip


class _Words(Vocabulary):
    """Elasticsearch's words for what is wrong with an object of a chat; `of` is what the object is called."""

    @override
    def not_object(self, of: str, value: Any) -> InferenceError:
        return invalid(f"Object [{of}] is not of the expected type. Expected [Map] but was [{_java_name(value)}]")

    @override
    def wrong_type(self, of: str, name: str, kind: type[Any], value: Any) -> InferenceError:
        return invalid(
            f"Field [{name}] in object [{of}] is not of the expected type."
            f" Expected [{JAVA_NAMES[kind]}] but was [{_java_name(value)}]"
        )

    @override
    def missing(self, of: str, name: str) -> InferenceError:
        return invalid(f"Field [{name}] in object [{of}] is required but was not found")

    @override
    def unknown(self, of: str, names: Sequence[str]) -> InferenceError:
        return invalid(f"[{of}] contains unknown fields [{', '.join(names)}]")


_WORDS = _Words()


def read(messages: Any, tools: Any = None, tool_choice: Any = None) -> Conversation:
    """The conversation that a request holds; what is wrong with it is `INVALID` and names the field."""
    turns = tuple(_message(message) for message in _filled(messages, "messages"))
    refuse_unasked(turns)
    declared = () if tools is None else tuple(_tool(tool) for tool in _filled(tools, "tools"))
    return Conversation(turns, declared, None if tool_choice is None else _choice(tool_choice))


def refuse_unasked(messages: Sequence[Message]) -> None:
    """`INVALID` when a tool's turn answers a call that no turn made."""
    asked = {use.id for message in messages for use in message.tool_uses}
    for message in messages:
        if message.tool_call_id is not None and message.tool_call_id not in asked:
            raise invalid(f"Field [tool_call_id] is [{message.tool_call_id}], which no message before it asked for")


def written(conversation: Conversation) -> dict[str, Any]:
    """The members of a request that hold a conversation."""
    return present(
        {
            "messages": [_written_message(message) for message in _shown_apart(conversation.messages)],
            "tools": [_written_tool(tool) for tool in conversation.tools] or None,
            "tool_choice": _written_choice(conversation.tool_choice),
        }
    )


def request_body(conversation: Conversation, *, most: str = "max_completion_tokens") -> dict[str, Any]:
    """All that a conversation says to a model; *most* is the server's name for the limit of tokens."""
    return present(
        {
            "model": conversation.model or None,
            **written(conversation),
            most: conversation.max_tokens,
            "stop": [stop for stop in conversation.stop if stop] or None,
            "temperature": conversation.temperature,
            "top_p": conversation.top_p,
            "reasoning_effort": conversation.reasoning_effort,
        }
    )


def _shown_apart(messages: Sequence[Message]) -> Iterator[Message]:
    """*messages* with what tools answered beside text as the user's, after the last of the answers it came with.

    OpenAI takes only text from a tool.
    """
    shown: list[Part] = []
    for message in messages:
        if message.role is not Role.TOOL and shown:
            yield Message(Role.USER, tuple(shown))
            shown = []
        others = [part for part in message.parts if not isinstance(part, TextPart)]
        if message.role is Role.TOOL and others:
            texts = tuple(part for part in message.parts if isinstance(part, TextPart))
            message = replace(message, parts=texts or (TextPart(_ELSEWHERE),))  # noqa: PLW2901 - the rest of it
            shown += [TextPart(f"The result of the tool call [{message.tool_call_id}]:"), *others]
        yield message
    if shown:
        yield Message(Role.USER, tuple(shown))


def _message(value: Any) -> Message:
    message = _object(value, "message", "role", "content", "tool_calls", "tool_call_id", *_SILENT)
    name = message.need("role", str)
    if name not in _ROLES:
        raise invalid(f"Unrecognized role [{name}] in object [message], must be one of [{', '.join(_ROLES)}]")
    role = _ROLES[name]
    uses = tuple(_tool_use(call) for call in _list(message.any("tool_calls"), "tool_calls"))
    if uses and role is not Role.ASSISTANT:
        raise invalid("Field [tool_calls] is only for messages of the role [assistant]")
    call_id = message.take("tool_call_id", str)
    if (role is Role.TOOL) != (call_id is not None):
        problem = "is required in a message" if role is Role.TOOL else "is only for messages"
        raise invalid(f"Field [tool_call_id] {problem} of the role [tool]")
    return Message(role, (*_parts(message.any("content")), *uses), call_id)


def _parts(content: Any) -> tuple[Part, ...]:
    match content:
        case None:
            return ()
        case str():
            return (TextPart(content),) if content else ()
        case list():
            return tuple(_part(part) for part in cast("list[Any]", content))
        case _:
            token = _java_name(content)
            raise invalid(f"Expected an array start token or a value string token but found token [{token}]")


def _part(value: Any) -> Part:
    part = _object(value, "content")
    match part.any("type"):
        case "text" | "refusal" as kind:
            return TextPart(part.need(kind, str))
        case "image_url":
            image = _object(part.need("image_url", dict), "image_url", "url", "detail")
            detail = image.take("detail", str)
            if detail is not None and detail not in _DETAILS:
                raise invalid(
                    f"Unrecognized detail [{detail}] in object [image_url], must be one of [{', '.join(_DETAILS)}]"
                )
            return ImagePart(image.need("url", str), detail)
        case "file":
            file = _object(part.need("file", dict), "file", "file_data", "filename", "file_id")
            if file.any("file_id") is not None:
                raise invalid("Field [file_id] is not supported for content of type [file]")
            return FilePart(file.need("file_data", str), file.take("filename", str))
        case None:
            raise invalid("Field [type] in object [content] is required but was not found")
        case kind:
            raise invalid(
                f"Unrecognized type [{as_java(kind)}] in object [content], must be one of [text, image_url, file]"
            )


def _tool_use(value: Any) -> ToolUse:
    call = _object(value, "tool_calls", "id", "type", "function", "index")
    function = _object(call.need("function", dict), "function", "name", "arguments")
    name, arguments = function.need("name", str), function.need("arguments", str)
    return ToolUse(call.need("id", str), name, arguments)


def _tool(value: Any) -> Tool:
    tool = _object(value, "tools", "type", "function")
    match value:
        case {"type": kind} if kind != "function":
            raise invalid(f"Unrecognized type [{as_java(kind)}] in object [tools], must be one of [function]")
        case _:
            pass
    function = _object(tool.need("function", dict), "function", "name", "description", "parameters", "strict")
    return Tool(
        function.need("name", str),
        function.take("description", str),
        function.object("parameters"),
        function.take("strict", bool),
    )


def _choice(value: Any) -> ToolChoice:
    match value:
        case "auto" | "none" | "required":
            return ToolChoice(ToolMode(value))
        case {"type": "function", "function": {"name": str(name)}}:
            return ToolChoice(ToolMode.NAMED, name)
        case _:
            raise invalid(
                "Field [tool_choice] must be one of [auto, none, required], or an object that names a function"
            )


def _written_message(message: Message) -> dict[str, Any]:
    body: dict[str, Any] = {"role": message.role.value}
    content = message.content
    texts = [part for part in content if isinstance(part, TextPart)]
    if len(texts) == len(content) == 1:
        body["content"] = texts[0].text
    elif content or not message.tool_uses:
        body["content"] = [_written_part(part) for part in content] if content else ""
    if message.failed:  # OpenAI has no place for it but the words
        body["content"] = f"Error: {message.text}"
    if message.tool_uses:
        body["tool_calls"] = [
            {"id": use.id, "type": "function", "function": {"name": use.name, "arguments": use.arguments}}
            for use in message.tool_uses
        ]
    if message.tool_call_id is not None:
        body["tool_call_id"] = message.tool_call_id
    return body


def _written_part(part: Content) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url, detail):
            return {"type": "image_url", "image_url": present({"url": url, "detail": detail})}
        case FilePart(data, filename):
            return {"type": "file", "file": present({"file_data": data, "filename": filename})}


def _written_tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": present({**function, "strict": tool.strict})}


def _written_choice(choice: ToolChoice | None) -> Any:
    if choice is not None and choice.mode is ToolMode.NAMED:
        return {"type": "function", "function": {"name": choice.name}}
    return None if choice is None else choice.mode.value


def _filled(value: Any, name: str) -> Sequence[Any]:
    if problem := nothing_in(name, value):
        raise invalid(problem)
    return _list(value, name)


def _list(value: Any, name: str) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise invalid(f"Field [{name}] is not of the expected type. Expected [List] but was [{_java_name(value)}]")
    return cast("list[Any]", value)


def _object(value: Any, of: str, *names: str) -> Fields:
    """The members of an object, which may have no others than *names* where some are given."""
    fields = Fields(value, of, _WORDS)
    if names:
        fields.only(*names)
    return fields


def _java_name(value: Any) -> str:
    return JAVA_NAMES.get(value.__class__, "null")
