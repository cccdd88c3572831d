"""Hints of a request: which it carries, and the request without those that a provider has no place for."""

from __future__ import annotations

import pytest

from inferpoint.model import hints
from inferpoint.model.chat import CacheHint, Conversation, Message, Part, Role, TextPart, Thought, Tool, ToolUse
from inferpoint.model.hints import Hint
from inferpoint.model.requests import InferenceRequest

OWN = Thought("Hm.", "c2ln", origin="here")
FOREIGN = Thought("Hm.", "c2ln", origin="elsewhere")
NOBODYS = Thought("Hm.")
TEXT, USE = TextPart("So:"), ToolUse("c", "f", "{}")


def answered(*parts: Part) -> InferenceRequest:
    return InferenceRequest(Conversation((Message(Role.USER, (TextPart("hi"),)), Message(Role.ASSISTANT, parts))))


@pytest.mark.parametrize(
    ("parts", "left"),
    [
        ((OWN, TEXT, USE), (OWN, TEXT, USE)),
        ((FOREIGN, TEXT, USE), (TEXT, USE)),
        ((OWN, FOREIGN, NOBODYS, TEXT), (OWN, NOBODYS, TEXT)),
        ((TEXT, USE), (TEXT, USE)),
    ],
)
def test_only_the_service_that_gave_a_thought_reads_it(parts: tuple[Part, ...], left: tuple[Part, ...]) -> None:
    """Thoughts of other services go, all else stays in its order; who has none is the same request."""
    request = answered(*parts)
    own = hints.own_thoughts(request, "here")
    assert own == answered(*left)
    assert (own is request) == (parts == left)


def test_members_of_tools_are_hints_by_their_names() -> None:
    """Each is dropped alone, and the mark for the cache with the others of its kind."""
    tool = Tool("f", cache=CacheHint(), hints={"eager_input_streaming": True, "defer_loading": True})
    request = InferenceRequest(Conversation((Message(Role.USER, (TEXT,)),), (tool,)))
    assert hints.carried(request) == {Hint.CACHE, "eager_input_streaming", "defer_loading"}
    for dropped, left in [
        ({"defer_loading"}, Tool("f", cache=CacheHint(), hints={"eager_input_streaming": True})),
        ({Hint.CACHE, "eager_input_streaming"}, Tool("f", hints={"defer_loading": True})),
        ({Hint.CACHE, "eager_input_streaming", "defer_loading"}, Tool("f")),
    ]:
        assert hints.without(request, frozenset(dropped)).conversation.tools == (left,)
