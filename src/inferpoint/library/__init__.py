"""The engine in your own program: `Inferpoint` for code that awaits, `connect` for code that does not."""

from __future__ import annotations

from inferpoint.library.answers import Answer, ChatPiece
from inferpoint.library.awaiting import Inferpoint
from inferpoint.library.jobs import BulkJob, Jobs
from inferpoint.library.many import Embedded
from inferpoint.library.waiting import Connected, connect
from inferpoint.library.waiting_jobs import ConnectedJob, ConnectedJobs
from inferpoint.model.results import Reasoning, Text, ToolCall

__all__ = [
    "Answer",
    "BulkJob",
    "ChatPiece",
    "Connected",
    "ConnectedJob",
    "ConnectedJobs",
    "Embedded",
    "Inferpoint",
    "Jobs",
    "Reasoning",
    "Text",
    "ToolCall",
    "connect",
]
