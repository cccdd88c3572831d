"""Models in our own process, under the name that Elasticsearch gives to models on its own machines."""

from __future__ import annotations

from inferpoint.model.endpoint import TaskType
from inferpoint.protocols.auth import unsigned
from inferpoint.protocols.service import Service
from inferpoint.services.elasticsearch.embeddings import EMBED, EMBED_SPARSE
from inferpoint.services.elasticsearch.rerank import RERANK

SERVICE = Service(
    name="elasticsearch",
    title="Elasticsearch",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.SPARSE_EMBEDDING: EMBED_SPARSE,
        TaskType.RERANK: RERANK,
    },
    sign=unsigned,
)
