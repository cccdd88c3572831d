"""LangChain's embeddings of OpenAI's form, as its documentation has them: all texts in one call of the library."""

import asyncio

import pyarrow as pa
import pyarrow.parquet as pq
from langchain_openai import OpenAIEmbeddings
from peer import asked


async def main() -> None:
    table = pq.read_table(asked.source)
    embeddings = OpenAIEmbeddings(
        model="m", api_key="k", base_url=asked.url, check_embedding_ctx_length=False, chunk_size=512
    )
    vectors = await embeddings.aembed_documents(table["text"].to_pylist())
    pq.write_table(pa.table({"id": table["id"], "embedding": pa.array(vectors, pa.list_(pa.float32()))}), asked.file)


asyncio.run(main())
