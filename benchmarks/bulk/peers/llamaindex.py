"""LlamaIndex's ingestion pipeline, with as many calls at once as we make."""

import asyncio

import pyarrow as pa
import pyarrow.parquet as pq
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import TextNode
from llama_index.embeddings.openai import OpenAIEmbedding
from peer import asked


async def main() -> None:
    table = pq.read_table(asked.source)
    nodes = [TextNode(id_=row["id"], text=row["text"]) for row in table.select(["id", "text"]).to_pylist()]
    model = OpenAIEmbedding(
        model_name="m", api_key="k", api_base=asked.url, embed_batch_size=512, num_workers=4, reuse_client=True
    )
    done = await IngestionPipeline(transformations=[model], disable_cache=True).arun(nodes=nodes)
    vectors = pa.array([node.embedding for node in done], pa.list_(pa.float32()))
    pq.write_table(pa.table({"id": [node.node_id for node in done], "embedding": vectors}), asked.file)


asyncio.run(main())
