"""Alibaba Cloud AI Search: what a workspace's services do. https://help.aliyun.com/zh/open-search/search-platform."""

from inferpoint.model.endpoint import TaskType
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.service import Service
from inferpoint.services.alibabacloud_ai_search.embeddings import EMBED, EMBED_SPARSE
from inferpoint.services.alibabacloud_ai_search.texts import COMPLETE, RERANK

SERVICE = Service(
    name="alibabacloud-ai-search",
    title="AlibabaCloud AI Search",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.SPARSE_EMBEDDING: EMBED_SPARSE,
        TaskType.RERANK: RERANK,
        TaskType.COMPLETION: COMPLETE,
    },
    sign=bearer,
)
