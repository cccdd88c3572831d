"""Amazon Bedrock. https://docs.aws.amazon.com/bedrock/latest/APIReference.

A folder: its two tasks call different operations in different formats, and share the account alone.
"""

from __future__ import annotations

from inferpoint.model.endpoint import TaskType
from inferpoint.protocols.auth import sigv4
from inferpoint.protocols.service import Origin, Service
from inferpoint.services.amazonbedrock import account
from inferpoint.services.amazonbedrock.converse import CHAT, COMPLETE
from inferpoint.services.amazonbedrock.embeddings import EMBED

SERVICE = Service(
    name="amazonbedrock",
    title="Amazon Bedrock",
    tasks={TaskType.TEXT_EMBEDDING: EMBED, TaskType.COMPLETION: COMPLETE, TaskType.CHAT_COMPLETION: CHAT},
    sign=sigv4("bedrock"),
    origin=Origin(account.address, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"),
)
