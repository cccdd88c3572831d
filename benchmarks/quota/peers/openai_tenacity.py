"""openai with tenacity, as OpenAI's guide to rate limits and its cookbook have it."""

from __future__ import annotations

from job import Job, run
from openai import AsyncOpenAI
from tenacity import retry, stop_after_attempt, wait_random_exponential


async def embed(job: Job) -> None:
    client = AsyncOpenAI(base_url=job.url, api_key=job.key)

    @retry(wait=wait_random_exponential(min=1, max=60), stop=stop_after_attempt(6), reraise=True)
    async def with_backoff(texts: list[str]) -> list[list[float]]:
        answer = await client.embeddings.create(model=job.model, input=texts)
        return [row.embedding for row in answer.data]

    await job.in_batches(with_backoff)


run(embed)
