"""Daft's `embed_text` by its provider of OpenAI's form."""

import daft
from daft.ai.openai.provider import OpenAIProvider
from daft.functions import embed_text
from peer import asked

provider = OpenAIProvider(name="fake", base_url=asked.url, api_key="k")
frame = daft.read_parquet(asked.source)
vector = embed_text(daft.col("text"), provider=provider, model="text-embedding-3-small", dimensions=384)
frame.select("id", vector.alias("embedding")).write_parquet(asked.folder)
