"""Groq: chats in OpenAI's format. https://console.groq.com/docs/api-reference."""

from __future__ import annotations

from inferpoint.model.endpoint import TaskType
from inferpoint.model.settings import settings
from inferpoint.protocols import rate_headers
from inferpoint.protocols.openai import account
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.service import Origin, Rates, Service


@settings
class Account(account.Account):
    """The account that calls, and the model."""

    organization_id: str | None = account.organization_id()


RATES = Rates(default=1000, group=account.group)
CHAT = chat("Groq chat completions", Account, RATES, path="/openai/v1/chat/completions", extension="x_groq")

SERVICE = Service(
    name="groq",
    title="Groq",
    tasks={TaskType.CHAT_COMPLETION: CHAT},
    sign=account.sign,
    quota=rate_headers.openai,
    origin=Origin(lambda _: "https://api.groq.com", "GROQ_BASE_URL"),
)
