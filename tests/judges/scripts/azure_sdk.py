"""The azure-ai-inference SDK."""

from azure.ai.inference import ChatCompletionsClient, EmbeddingsClient
from azure.core.credentials import AzureKeyCredential
from judging import Exchange, chatted, embedded, run, streamed


def client(kind: type, asked: Exchange):
    return kind(endpoint=asked.address, credential=AzureKeyCredential(asked.key))


def chat(asked: Exchange) -> dict:
    more = {name: value for name, value in asked.body.items() if name == "do_sample"}
    rest = {name: value for name, value in asked.body.items() if name != "do_sample"}
    answer = client(ChatCompletionsClient, asked).complete(**rest, model_extras=more)
    return streamed(answer) if asked.body.get("stream") else chatted(answer)


def embed(asked: Exchange) -> dict:
    more = {name: value for name, value in asked.body.items() if name == "user"}
    rest = {name: value for name, value in asked.body.items() if name != "user"}
    return embedded(client(EmbeddingsClient, asked).embed(**rest, model_extras=more))


run({"completion": chat, "text_embedding": embed})
