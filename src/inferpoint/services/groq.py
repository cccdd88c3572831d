"""Groq: chats in OpenAI's format. https://console.groq.com/docs/api-reference."""

from __future__ import annotations

from dataclasses import replace

from inferpoint.model.endpoint import TaskType
from inferpoint.model.hints import Hint
from inferpoint.model.settings import settings
from inferpoint.protocols import rate_headers
from inferpoint.protocols.openai import account
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.openai.hints import taken
from inferpoint.protocols.openai.stream import Chunks
from inferpoint.protocols.service import Origin, Rates, Service


@settings
class Account(account.Account):
    """The account that calls, and the model."""

    organization_id: str | None = account.organization_id()


RATES = Rates(default=1000, group=account.group)
COMPLETIONS = "Groq chat completions"


def reader(_account: Account) -> Chunks:
    """A reader that knows the member of Groq's own in which a chunk says that the stream stops early."""
    return Chunks(COMPLETIONS, extension="x_groq")


# Groq refuses a message that has its thoughts under another name.
CHAT = replace(
    chat(
        COMPLETIONS, Account, RATES, path="/openai/v1/chat/completions", thoughts=lambda _account, _origin: "reasoning"
    ),
    reader=reader,
    hints=taken(Hint.EFFORT, Hint.THOUGHTS, "service_tier"),
)

SERVICE = Service(
    name="groq",
    title="Groq",
    tasks={TaskType.COMPLETION: CHAT, TaskType.CHAT_COMPLETION: CHAT},
    sign=account.sign,
    quota=rate_headers.openai,
    origin=Origin(lambda _: "https://api.groq.com", "GROQ_BASE_URL"),
)
