"""Alibaba Cloud's SDK of its AI Search platform."""

from alibabacloud_searchplat20240529 import models
from alibabacloud_searchplat20240529.client import Client
from alibabacloud_tea_openapi.models import Config
from judging import Exchange, run


def place(asked: Exchange) -> tuple[Client, str, str]:
    host = asked.address.removeprefix("http://")
    client = Client(Config(bearer_token=asked.key, endpoint=host, protocol="http"))
    return client, asked.settings["workspace"], asked.settings["service_id"]


def chat(asked: Exchange) -> dict:
    client, workspace, service = place(asked)
    request = models.GetTextGenerationRequest().from_map(asked.body)
    body = client.get_text_generation(workspace, service, request).body
    return {"text": body.result.text, "input": body.usage.input_tokens, "output": body.usage.output_tokens}


def embed(asked: Exchange) -> dict:
    client, workspace, service = place(asked)
    request = models.GetTextEmbeddingRequest().from_map(asked.body)
    body = client.get_text_embedding(workspace, service, request).body
    return {"embeddings": [row.embedding for row in body.result.embeddings], "input": body.usage.token_count}


def sparse(asked: Exchange) -> dict:
    client, workspace, service = place(asked)
    request = models.GetTextSparseEmbeddingRequest().from_map(asked.body)
    body = client.get_text_sparse_embedding(workspace, service, request).body
    rows = [
        {row.token or str(row.token_id): row.weight for row in one.embedding} for one in body.result.sparse_embeddings
    ]
    return {"weights": rows, "input": body.usage.token_count}


def rerank(asked: Exchange) -> dict:
    client, workspace, service = place(asked)
    request = models.GetDocumentRankRequest().from_map(asked.body)
    body = client.get_document_rank(workspace, service, request).body
    return {"ranked": [[row.index, row.score] for row in body.result.scores]}


run({"completion": chat, "text_embedding": embed, "sparse_embedding": sparse, "rerank": rerank})
