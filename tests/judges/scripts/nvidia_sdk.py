"""NVIDIA's own clients for LangChain, which embed and rank."""

from judging import Exchange, run
from langchain_core.documents import Document
from langchain_nvidia_ai_endpoints import NVIDIAEmbeddings, NVIDIARerank


def arguments(asked: Exchange) -> dict:
    base = f"{asked.address}/v1"
    truncate = asked.body.get("truncate")
    return {"model": asked.body["model"], "api_key": asked.key, "base_url": base, "usage_telemetry_enabled": False} | (
        {"truncate": truncate} if truncate else {}
    )


def embed(asked: Exchange) -> dict:
    client = NVIDIAEmbeddings(**arguments(asked))
    return {"embeddings": client._embed(asked.body["input"], asked.body["input_type"])}  # queries are public one by one


def rerank(asked: Exchange) -> dict:
    client = NVIDIARerank(**arguments(asked))
    documents = [Document(page_content=row["text"], id=str(place)) for place, row in enumerate(asked.body["passages"])]
    answer = client.compress_documents(documents, asked.body["query"]["text"])
    return {"ranked": [[int(row.id), row.metadata["relevance_score"]] for row in answer]}


run({"text_embedding": embed, "rerank": rerank})
