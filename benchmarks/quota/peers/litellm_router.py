"""LiteLLM's router with the limits set and enforced, as its pages on routing and load balancing have it."""

from __future__ import annotations

import litellm
from job import Job, run

litellm.suppress_debug_info = True
litellm.telemetry = False


async def embed(job: Job) -> None:
    given = {"model": f"openai/{job.model}", "api_base": job.url, "api_key": job.key, "rpm": job.rpm, "tpm": job.tpm}
    router = litellm.Router(
        model_list=[{"model_name": "embeddings", "litellm_params": given}],
        num_retries=6,
        optional_pre_call_checks=["enforce_model_rate_limits"],
    )

    async def routed(texts: list[str]) -> list[list[float]]:
        answer = await router.aembedding(model="embeddings", input=texts)
        return [row["embedding"] for row in answer.data]

    await job.in_batches(routed)


run(embed)
