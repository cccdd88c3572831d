"""IBM watsonx: a region's models, by tokens of IBM Cloud. https://cloud.ibm.com/apidocs/watsonx-ai."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call
from inferpoint.model.requests import InferenceRequest
from inferpoint.protocols import oauth2
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.openai.requests import request_body
from inferpoint.protocols.service import Grant, NoOptions, Service
from inferpoint.services.watsonxai.account import IAM, RATES, Account, ask, post
from inferpoint.services.watsonxai.inputs import EMBED, RERANK


def encode(request: InferenceRequest, account: Account, _options: NoOptions, _origin: str) -> Call:
    """OpenAI's body, in which the model has another name, and so has a choice of tools that is a word."""
    spoken = request_body(request.conversation, account.model_id, most="max_tokens", thoughts=None)
    asked: dict[str, Any] = {**spoken, **request.params, **request.hints}
    model, choice = asked.pop("model"), asked.pop("tool_choice")
    chosen = {"tool_choice_option" if isinstance(choice, str) else "tool_choice": choice}
    body = {"project_id": account.project_id, "model_id": model, **asked, **chosen}
    return post(account, "chat_stream" if request.stream else "chat", body)


CHAT = replace(
    chat("IBM watsonx chat completions", Account, RATES), options=NoOptions, encode=encode, unasked=frozenset()
)

SERVICE = Service(
    name="watsonxai",
    title="IBM watsonx",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.RERANK: RERANK,
        TaskType.COMPLETION: replace(CHAT, label="IBM watsonx completions"),
        TaskType.CHAT_COMPLETION: CHAT,
    },
    sign=bearer,
    grant=Grant(ask, oauth2.read, oauth2.complaint, IAM),
)
