"""Cohere, by the second version of its API. https://docs.cohere.com/reference."""

from inferpoint.model.endpoint import TaskType
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.service import Origin, Service
from inferpoint.services.cohere.chat import CHAT
from inferpoint.services.cohere.embeddings import EMBED
from inferpoint.services.cohere.rerank import RERANK

SERVICE = Service(
    name="cohere",
    title="Cohere",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.RERANK: RERANK,
        TaskType.COMPLETION: CHAT,
        TaskType.CHAT_COMPLETION: CHAT,
    },
    sign=bearer,
    origin=Origin(lambda _: "https://api.cohere.ai", "CO_API_URL"),
)
