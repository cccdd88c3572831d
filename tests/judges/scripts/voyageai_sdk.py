"""The voyageai SDK."""

import voyageai
from judging import Exchange, known, ranked, run


def client(asked: Exchange) -> voyageai.Client:
    return voyageai.Client(api_key=asked.key, base_url=f"{asked.address}/v1", max_retries=1)


def embed(asked: Exchange) -> dict:
    embedding = client(asked).embed
    answer = embedding(texts=asked.body["input"], **known(embedding, asked.body))
    return {"embeddings": answer.embeddings, "input": answer.total_tokens}


def rerank(asked: Exchange) -> dict:
    reranking = client(asked).rerank
    answer = reranking(**known(reranking, asked.body))
    return {**ranked(answer.results), "input": answer.total_tokens}


run({"text_embedding": embed, "rerank": rerank})
