"""Chat, as every container behind an address of Hugging Face speaks it: OpenAI's, under the older of its names."""

from __future__ import annotations

from dataclasses import replace

from inferpoint.model.settings import setting, settings
from inferpoint.protocols.openai import failures
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.service import NoOptions
from inferpoint.services.hugging_face.account import FAILURES, RATES, Settings


@settings
class ChatSettings(Settings):
    """A model that writes."""

    model_id: str | None = setting("The model to call, where the address serves several.", default=None)


CHAT = replace(
    chat("Hugging Face chat completions", ChatSettings, RATES, max_tokens="max_tokens", n=None),
    options=NoOptions,
    failures=replace(FAILURES, phrases=failures.FAILURES.phrases),
)
COMPLETE = replace(CHAT, label="Hugging Face completions")
