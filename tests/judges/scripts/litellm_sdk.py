"""litellm, which is no provider's own, for rankings that no SDK of a provider's asks for."""

import litellm
from judging import Exchange, run


def rerank(asked: Exchange) -> dict:
    body = {**asked.body, "model": f"jina_ai/{asked.body['model']}"}
    answer = litellm.rerank(api_key=asked.key, api_base=f"{asked.address}{asked.path}", **body)
    return {"ranked": [[row["index"], row["relevance_score"]] for row in answer.results]}


run({"rerank": rerank})
