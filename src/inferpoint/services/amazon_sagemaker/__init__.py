"""Amazon SageMaker: whatever model is deployed, in one of two forms of requests.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations_Amazon_SageMaker_Runtime.html

With the API `openai` a container speaks OpenAI's format, with `elastic` Elasticsearch's own, whole as it is here.
"""

from __future__ import annotations

from collections.abc import Mapping

from inferpoint.model.endpoint import TaskType
from inferpoint.protocols.auth import sigv4
from inferpoint.protocols.service import Origin, Service
from inferpoint.services.amazon_sagemaker import account
from inferpoint.services.amazon_sagemaker.chat import CHAT, COMPLETE
from inferpoint.services.amazon_sagemaker.dense import EMBED
from inferpoint.services.amazon_sagemaker.elastic import EMBED_SPARSE, RERANK

TOLD = ("custom-attributes", "new-session-id", "closed-session-id")


def told(headers: Mapping[str, str]) -> Mapping[str, str]:
    """What the container and AWS say beside an answer, under Elasticsearch's names."""
    values = {f"x-elastic-sagemaker-{name}": headers.get(f"x-amzn-sagemaker-{name}", "") for name in TOLD}
    return {name: value for name, value in values.items() if value and value.isascii() and value.isprintable()}


SERVICE = Service(
    name="amazon_sagemaker",
    title="Amazon SageMaker",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.SPARSE_EMBEDDING: EMBED_SPARSE,
        TaskType.RERANK: RERANK,
        TaskType.COMPLETION: COMPLETE,
        TaskType.CHAT_COMPLETION: CHAT,
    },
    sign=sigv4("sagemaker"),
    told=told,
    origin=Origin(account.address, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"),
)
