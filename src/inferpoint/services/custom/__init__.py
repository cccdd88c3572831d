"""Any provider that answers a POST with JSON: a user says what is sent, and where in the answer the results are."""

from __future__ import annotations

from inferpoint.model.endpoint import TaskType
from inferpoint.protocols.auth import unsigned
from inferpoint.protocols.service import Service
from inferpoint.services.custom.embeddings import EMBED
from inferpoint.services.custom.sparse import EMBED_SPARSE
from inferpoint.services.custom.texts import COMPLETE, RERANK

SERVICE = Service(
    name="custom",
    title="Custom",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.SPARSE_EMBEDDING: EMBED_SPARSE,
        TaskType.RERANK: RERANK,
        TaskType.COMPLETION: COMPLETE,
    },
    sign=unsigned,  # whatever is secret is filled in where the user says
)
