"""A conversation as the body of a chat in OpenAI's format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from inferpoint.model.chat import (
    Content,
    Conversation,
    FilePart,
    ImagePart,
    Message,
    Role,
    TextPart,
    Thinking,
    Thought,
    Tool,
    ToolChoice,
    ToolMode,
    ToolUse,
)
from inferpoint.model.http import present
from inferpoint.protocols.openai.replies import CONTENT, THINKING

THOUGHT = "reasoning_content"  # where most servers have thoughts, for one whose client does not say its name
_MEDIUM, _HIGH = 5_000, 10_000  # the budgets, in tokens, from which an effort is more than low
_SHOWN = "The result is in the user's message below."


def request_body(
    conversation: Conversation,
    model: str | None = None,
    *,
    most: str = "max_completion_tokens",
    thoughts: str | None = "",
) -> dict[str, Any]:
    """All that a conversation says to *model*, or to one that it names itself; what it does not say is None.

    *most* is the server's name for the limit of tokens, *thoughts* that of the member in which a message has what the
    model thought, empty for the one that it came in, None where no server of that kind takes any.
    """
    thinking, choice = conversation.thinking, conversation.tool_choice
    return {
        "model": conversation.model or model,
        "messages": list(_messages(conversation.messages, thoughts or "")),
        "tools": [_tool(tool) for tool in conversation.tools] if conversation.tools else None,
        "tool_choice": None if choice is None else _choice(choice),
        most: conversation.max_tokens,
        "stop": [stop for stop in conversation.stop if stop] or None if conversation.stop else None,
        "temperature": conversation.temperature,
        "top_p": conversation.top_p,
        "reasoning_effort": conversation.reasoning_effort or (None if thinking is None else _effort(thinking)),
    }


def _effort(thinking: Thinking) -> str:
    """The effort for *thinking* in Anthropic's terms, in words that every model knows that reasons."""
    if not thinking.enabled:
        return "low"
    budget = _MEDIUM if thinking.budget is None else thinking.budget
    return "low" if budget < _MEDIUM else "medium" if budget < _HIGH else "high"


def _messages(messages: Iterable[Message], thoughts: str) -> Iterator[dict[str, Any]]:
    """The messages; what tools show is in a user's after their results, which are of text alone in this format."""
    shown: list[Content] = []
    for message in messages:
        if message.role is not Role.TOOL and shown:
            yield _message(Message(Role.USER, tuple(shown)), thoughts)
            shown = []
        yield _message(message, thoughts)
        if message.role is Role.TOOL and (pictures := _pictures(message)):
            shown += [TextPart(f"The result of the tool call {message.tool_call_id}:"), *pictures]
    if shown:
        yield _message(Message(Role.USER, tuple(shown)), thoughts)


def _pictures(message: Message) -> Sequence[Content]:
    return [part for part in message.content if not isinstance(part, TextPart)]


def _message(message: Message, thoughts: str) -> dict[str, Any]:
    if len(message.parts) == 1 and type(part := message.parts[0]) is TextPart and message.role is not Role.TOOL:
        return {"role": message.role, "content": part.text}  # as nearly always
    body: dict[str, Any] = {"role": message.role}
    if message.role is Role.TOOL:
        body |= {"content": _result(message), "tool_call_id": message.tool_call_id}
    elif (content := _content(message, thoughts)) is not None:
        body["content"] = content
    body |= _thoughts(message.thoughts, thoughts)
    if message.tool_uses:
        body["tool_calls"] = [_tool_use(use) for use in message.tool_uses]
    return body


def _content(message: Message, thoughts: str) -> str | list[dict[str, Any]] | None:
    spoken = [part for part in message.parts if not isinstance(part, ToolUse)]
    if any(isinstance(part, Thought) and _member(part, thoughts) == CONTENT for part in spoken):
        return [_part(part) for part in spoken if not isinstance(part, Thought) or _member(part, thoughts) == CONTENT]
    match message.content:
        case [TextPart(text)]:
            return text
        case []:
            return None if message.tool_uses else ""
        case parts:
            return [_part(part) for part in parts]


def _result(message: Message) -> str | list[dict[str, Any]]:
    """The words of a tool's result; that it failed is said in words too, as there is no place for it."""
    texts = [part for part in message.content if isinstance(part, TextPart)]
    words = "".join(part.text for part in texts) or (_SHOWN if message.content else "")
    if message.failed:
        return f"Error: {words}"
    return [_part(part) for part in texts] if len(texts) > 1 else words


def _thoughts(thoughts: Sequence[Thought], name: str) -> dict[str, Any]:
    """The members that tell a server what its model thought; a sealed thought of another format has no place."""
    members: dict[str, Any] = {}
    for thought in thoughts:
        if (member := _member(thought, name)) not in (None, CONTENT):
            members[member] = members.get(member, "") + thought.text
        if not name:
            members |= thought.extra or {}
    return members


def _member(thought: Thought, name: str) -> str | None:
    """Where a message has the words of a *thought*, all of them in *name* unless that is empty; None for nowhere."""
    if thought.member or (thought.text and thought.signature is None):
        return name or thought.member or THOUGHT
    return None


def _tool_use(use: ToolUse) -> dict[str, Any]:
    function = {"name": use.name, "arguments": use.arguments}
    return present({"id": use.id, "type": "function", "function": function, "extra_content": use.extra})


def _part(part: Content | Thought) -> dict[str, Any]:
    match part:
        case Thought(text):
            return {"type": THINKING, THINKING: [{"type": "text", "text": text}]}
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url, detail):
            return {"type": "image_url", "image_url": present({"url": url, "detail": detail})}
        case FilePart(data, filename):
            return {"type": "file", "file": present({"file_data": data, "filename": filename})}


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": present({**function, "strict": tool.strict})}


def _choice(choice: ToolChoice) -> Any:
    if choice.mode is ToolMode.NAMED:
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode.value
