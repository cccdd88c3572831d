"""The llama-stack-client SDK."""

from judging import Exchange, chatted, embedded, run, streamed
from llama_stack_client import LlamaStackClient


def client(asked: Exchange) -> LlamaStackClient:
    return LlamaStackClient(base_url=asked.address, api_key=asked.settings.get("api_key"))


def chat(asked: Exchange) -> dict:
    answer = client(asked).chat.completions.create(**asked.body)
    return streamed(answer) if asked.body["stream"] else chatted(answer)


def embed(asked: Exchange) -> dict:
    answer = client(asked).inference.embeddings(**asked.body)
    return embedded(answer) if hasattr(answer, "data") else {"embeddings": answer.embeddings}


run({"chat_completion": chat, "completion": chat, "text_embedding": embed})
