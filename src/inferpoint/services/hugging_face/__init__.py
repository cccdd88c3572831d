"""Hugging Face: Text Embeddings Inference and the inference toolkit. https://huggingface.co/docs/inference-endpoints.

A folder: its tasks speak to different containers, and share the account and the ways those complain.
"""

from __future__ import annotations

from inferpoint.model.endpoint import TaskType
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.service import Service
from inferpoint.services.hugging_face.chat import CHAT, COMPLETE
from inferpoint.services.hugging_face.embeddings import EMBED, EMBED_SPARSE
from inferpoint.services.hugging_face.rerank import RERANK

SERVICE = Service(
    name="hugging_face",
    title="Hugging Face",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.SPARSE_EMBEDDING: EMBED_SPARSE,
        TaskType.RERANK: RERANK,
        TaskType.COMPLETION: COMPLETE,
        TaskType.CHAT_COMPLETION: CHAT,
    },
    sign=bearer,
)
