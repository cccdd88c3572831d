"""The anthropic SDK, of Claude in Google's Model Garden."""

from urllib.parse import urlsplit

from anthropic import AnthropicVertex
from anthropic_sdk import meaning
from judging import Exchange, known, run


def chat(asked: Exchange) -> dict:
    project, _, location, _, _, _, model = urlsplit(asked.path).path.split("/")[3:10]
    claude = AnthropicVertex(project_id=project, region=location, access_token="t", base_url=f"{asked.address}/v1")
    body = {**known(claude.messages.create, asked.body), "model": model.partition(":")[0]}
    if not body.pop("stream", False):
        return meaning(claude.messages.create(**body))
    with claude.messages.stream(**body) as stream:
        return meaning(stream.get_final_message())


run({"chat_completion": chat, "completion": chat})
