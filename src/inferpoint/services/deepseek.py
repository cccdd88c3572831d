"""DeepSeek: chats in OpenAI's format. https://api-docs.deepseek.com."""

from __future__ import annotations

from dataclasses import replace

from inferpoint.model.endpoint import TaskType
from inferpoint.model.hints import Hint
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.openai.hints import taken
from inferpoint.protocols.service import NoOptions, Origin, Rates, Service


@settings
class Account:
    """The account that calls, and the model. DeepSeek sets no limit on requests, so there is none to set."""

    api_key: str = secret("The DeepSeek API key.")
    model_id: str = setting("The model to call, such as deepseek-chat.")
    url: str | None = setting("The address to call instead of DeepSeek's.", default=None, url=True)


CHAT = replace(
    chat("DeepSeek chat completions", Account, Rates(group=lambda _: ()), max_tokens="max_tokens"),
    options=NoOptions,
    hints=taken(Hint.EFFORT, Hint.THOUGHTS),  # of OpenAI's DeepSeek documents none
)

SERVICE = Service(
    name="deepseek",
    title="DeepSeek",
    tasks={TaskType.COMPLETION: replace(CHAT, label="DeepSeek completions"), TaskType.CHAT_COMPLETION: CHAT},
    sign=bearer,
    origin=Origin(lambda _: "https://api.deepseek.com", "DEEPSEEK_API_BASE"),
)
