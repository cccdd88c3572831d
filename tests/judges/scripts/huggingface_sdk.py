"""The huggingface-hub SDK, whose client calls an address as it is."""

from huggingface_hub import InferenceClient
from judging import Exchange, chatted, known, run, streamed


def chat(asked: Exchange) -> dict:
    client = InferenceClient(f"{asked.address}{asked.path}", token=asked.key)
    answer = client.chat_completion(**known(client.chat_completion, asked.body))
    return streamed(answer) if asked.body["stream"] else chatted(answer)


def embed(asked: Exchange) -> dict:
    client = InferenceClient(f"{asked.address}{asked.path}", token=asked.key)
    return {"embeddings": client.feature_extraction(asked.body["inputs"]).tolist()}


run({"chat_completion": chat, "completion": chat, "text_embedding": embed})
