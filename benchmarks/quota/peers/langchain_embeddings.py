"""LangChain: the whole list to `aembed_documents`, which makes the batches itself, and counts their tokens."""

from __future__ import annotations

import tiktoken
from job import Job, run
from langchain_openai import OpenAIEmbeddings


async def embed(job: Job) -> None:
    model = OpenAIEmbeddings(base_url=job.url, api_key=job.key, model=job.model, chunk_size=job.batch, max_retries=6)
    try:
        job.vectors = await model.aembed_documents(job.texts)
    except Exception as error:  # noqa: BLE001 - whatever it raises is counted
        job.errors[type(error).__name__] += 1
    job.inputs = tiktoken.encoding_for_model(job.model).encode_batch(job.texts)  # what leaves it is tokens


run(embed)
