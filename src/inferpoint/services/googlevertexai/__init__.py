"""Google Vertex AI. https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest.

A folder: its tasks call different products in different formats, and share the account and its tokens.
"""

from __future__ import annotations

from inferpoint.model.endpoint import TaskType
from inferpoint.protocols import oauth2
from inferpoint.protocols.service import Grant, Origin, Service
from inferpoint.services.googlevertexai.account import TITLE, host, sign
from inferpoint.services.googlevertexai.chat import CHAT
from inferpoint.services.googlevertexai.embeddings import EMBED
from inferpoint.services.googlevertexai.rerank import RERANK
from inferpoint.services.googlevertexai.tokens import ask

SERVICE = Service(
    name="googlevertexai",
    title=TITLE,
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.RERANK: RERANK,
        TaskType.COMPLETION: CHAT,
        TaskType.CHAT_COMPLETION: CHAT,
    },
    sign=sign,
    grant=Grant(ask, oauth2.read, oauth2.complaint),
    origin=Origin(host, "GOOGLE_VERTEX_BASE_URL"),
)
