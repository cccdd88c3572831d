"""The mistralai SDK."""

from judging import Exchange, chatted, embedded, known, run, streamed
from mistralai.client import Mistral


def client(asked: Exchange) -> Mistral:
    return Mistral(api_key=asked.key, server_url=asked.address)


def chat(asked: Exchange) -> dict:
    chats = client(asked).chat
    if asked.body["stream"]:
        return streamed(event.data for event in chats.stream(**known(chats.stream, asked.body)))
    return chatted(chats.complete(**known(chats.complete, asked.body)))


def embed(asked: Exchange) -> dict:
    embeddings = client(asked).embeddings
    body = {name: value for name, value in asked.body.items() if name != "input"}
    return embedded(embeddings.create(inputs=asked.body["input"], **body))


run({"chat_completion": chat, "completion": chat, "text_embedding": embed})
