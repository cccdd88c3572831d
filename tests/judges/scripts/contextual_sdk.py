"""The contextual-client SDK."""

from contextual import ContextualAI
from judging import Exchange, ranked, run


def rerank(asked: Exchange) -> dict:
    client = ContextualAI(api_key=asked.key, base_url=f"{asked.address}/v1")
    return ranked(client.rerank.create(**asked.body).results)


run({"rerank": rerank})
