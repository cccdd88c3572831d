"""The engine in your own program: `Inferpoint` for code that awaits, `connect` for code that does not."""

from __future__ import annotations

from inferpoint.library.answers import Answer, ChatPiece
from inferpoint.library.awaiting import Inferpoint
from inferpoint.library.waiting import Connected, connect
from inferpoint.model.results import Reasoning, Text, ToolCall

__all__ = ["Answer", "ChatPiece", "Connected", "Inferpoint", "Reasoning", "Text", "ToolCall", "connect"]
