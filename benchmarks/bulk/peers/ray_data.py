"""Ray Data with an actor that asks by OpenAI's own client, as many calls at once as we make."""

from collections.abc import AsyncIterator

import pyarrow as pa
import ray
from openai import AsyncOpenAI
from peer import asked


class Embedder:
    """Batches of texts to batches with vectors."""

    def __init__(self) -> None:
        self.client = AsyncOpenAI(base_url=asked.url, api_key="k")

    async def __call__(self, batch: pa.Table) -> AsyncIterator[pa.Table]:
        """The ids and vectors of a *batch* of texts."""
        answer = await self.client.embeddings.create(model="m", input=batch["text"].to_pylist())
        vectors = pa.array([row.embedding for row in answer.data], pa.list_(pa.float32()))
        yield pa.table({"id": batch["id"], "embedding": vectors})


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
documents = ray.data.read_parquet(asked.source)
embedded = documents.map_batches(Embedder, batch_size=512, batch_format="pyarrow", concurrency=1)
embedded.write_parquet(asked.folder)
