"""The google-genai SDK, of both of Google's services."""

import json
import re
from urllib.parse import urlsplit

from google.auth.credentials import Credentials
from google.genai import Client, types
from judging import Exchange, run


class Token(Credentials):
    """A token that is there already."""

    def __init__(self) -> None:
        super().__init__()
        self.token = "t"

    def refresh(self, request) -> None:
        """Nothing."""


def client(asked: Exchange) -> Client:
    """A client in the version of the API that we call."""
    options = types.HttpOptions(base_url=asked.address, api_version=asked.path.split("/")[1])
    if "api_key" in asked.settings:
        return Client(api_key=asked.key, http_options=options)
    project, _, location = urlsplit(asked.path).path.split("/")[3:6]
    return Client(vertexai=True, project=project, location=location, credentials=Token(), http_options=options)


def model(asked: Exchange) -> str:
    return urlsplit(asked.path).path.rpartition("/")[2].partition(":")[0]


def config(body: dict) -> types.GenerateContentConfig:
    """What the body says beside its contents, read by the SDK's own types, which refuse what they do not know."""
    return types.GenerateContentConfig(
        **body.get("generationConfig", {}),
        system_instruction=body.get("systemInstruction"),
        tools=body.get("tools"),
        tool_config=body.get("toolConfig"),
    )


def chat(asked: Exchange) -> dict:
    contents = [types.Content.model_validate(content) for content in asked.body["contents"]]
    request = {"model": model(asked), "contents": contents, "config": config(asked.body)}
    with client(asked) as google:
        if "streamGenerateContent" in asked.path:
            return meaning(list(google.models.generate_content_stream(**request)))
        return meaning([google.models.generate_content(**request)])


def meaning(answers: list[types.GenerateContentResponse]) -> dict:
    """The words that are no thoughts, the calls and the cost."""
    parts = [part for answer in answers for part in answer.parts or ()]
    usage = [answer.usage_metadata for answer in answers if answer.usage_metadata][-1]
    return {
        "text": "".join(part.text or "" for part in parts if not part.thought),
        "tool_calls": [
            [call.id, call.name, json.dumps(call.args)] for call in (part.function_call for part in parts) if call
        ],
        "input": usage.prompt_token_count,
        "output": (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
    }


def embed(asked: Exchange) -> dict:
    body = asked.body
    if "requests" in body:
        first, *_ = requests = body["requests"]
        texts = [one["content"]["parts"][0]["text"] for one in requests]
        told = {name: first[name] for name in ("taskType", "outputDimensionality") if name in first}
    elif "instances" in body:
        texts = [one["content"] for one in body["instances"]]
        told = {**body["parameters"]}
        if "task_type" in body["instances"][0]:
            told["taskType"] = body["instances"][0]["task_type"]
    else:
        texts = [part["text"] for part in body["content"]["parts"]]
        told = body["embedContentConfig"]
    with client(asked) as google:
        config = types.EmbedContentConfig(**told)
        answer = google.models.embed_content(model=model(asked), contents=texts, config=config)
    return {"embeddings": [row.values for row in answer.embeddings]}


# Members that the SDK writes as the wire's other spelling has them, which is of the same meaning.
SNAKES = re.compile(
    '"(mime_type|file_uri|include_thoughts|thinking_budget|thinking_level|allowed_function_names|parameters_json_schema)":'
)


def read(body: bytes) -> dict:
    """What the SDK sent, in one spelling, and without the role of texts to embed, which nobody speaks."""
    written = SNAKES.sub(lambda name: re.sub("_([a-z])", lambda one: one[1].upper(), name[0]), body.decode())
    sent = json.loads(written)
    for request in (sent, *sent.get("requests", ())):
        request.get("content", {}).pop("role", None)
    return sent


run({"chat_completion": chat, "completion": chat, "text_embedding": embed}, read)
