"""AI21: chats in OpenAI's format. https://docs.ai21.com/reference/jamba-api-ref."""

from __future__ import annotations

from dataclasses import replace

from inferpoint.model.endpoint import TaskType
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.openai.hints import taken
from inferpoint.protocols.service import NoOptions, Origin, RateLimit, Rates, Service, rate_limit


@settings
class Account:
    """The account that calls, and the model."""

    api_key: str = secret("The AI21 API key.")
    model_id: str = setting("The model to call, such as jamba-large.")
    rate_limit: RateLimit | None = rate_limit()

    @property
    def url(self) -> None:
        """No address but AI21's own."""


RATES: Rates[Account] = Rates(default=200, group=lambda account: (account.model_id, account.api_key))
CHAT = replace(
    chat("AI21 chat completions", Account, RATES, max_tokens="max_tokens"),
    options=NoOptions,
    hints=taken(),  # none is among the members that AI21 documents, of bodies and of messages
)

SERVICE = Service(
    name="ai21",
    title="AI21",
    tasks={TaskType.COMPLETION: replace(CHAT, label="AI21 completions"), TaskType.CHAT_COMPLETION: CHAT},
    sign=bearer,
    origin=Origin(lambda _: "https://api.ai21.com/studio/v1", "AI21_API_HOST"),
)
