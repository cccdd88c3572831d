"""Chat, as every container behind an address of Hugging Face speaks it: OpenAI's, under the older of its names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from inferpoint.model.http import Call, Reply, json_call
from inferpoint.model.inference import Completion, InferenceRequest
from inferpoint.model.settings import setting, settings
from inferpoint.protocols.openai import completions, messages
from inferpoint.protocols.openai.statuses import PHRASES, RETRIED
from inferpoint.protocols.service import NoOptions, Task
from inferpoint.services.hugging_face.account import REQUESTS_PER_MINUTE, Settings, group

COMPLETIONS = "Hugging Face completions"
CHATS = "Hugging Face chat completions"


@settings
class ChatSettings(Settings):
    """A model that writes."""

    model_id: str | None = setting("The model to call, where the address serves several.", default=None)


def chat(request: InferenceRequest, model: ChatSettings, _options: NoOptions, _origin: str) -> Call:
    """A completion is a conversation of a single turn. Servers of one model need no name of it."""
    talk = request.conversation
    body: dict[str, Any] = {
        **messages.request_body(talk, most="max_tokens"),
        "stream": request.stream,
        **request.params,
    }
    if called := talk.model or model.model_id:
        body["model"] = called
    if request.stream:
        body["stream_options"] = {"include_usage": True}
    return json_call(model.url, body)


def completion(reply: Reply, _request: InferenceRequest, _model: ChatSettings, _options: NoOptions) -> Completion:
    """Every choice, in its order."""
    return completions.completion(reply, CHATS)


CHAT = Task(
    label=CHATS,
    settings=ChatSettings,
    options=NoOptions,
    encode=chat,
    decode=completion,
    reader=lambda _: completions.Chunks(CHATS),
    default_rate=lambda _: REQUESTS_PER_MINUTE,
    rate_group=group,
    phrases=PHRASES,
    retried=RETRIED | {502},  # what a deployment may answer until it is awake, when it was scaled to zero
)
COMPLETE = replace(CHAT, label=COMPLETIONS)
