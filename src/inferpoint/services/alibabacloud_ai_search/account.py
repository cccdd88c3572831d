"""The settings, the calls, the rates and the failures that every task has."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any
from urllib.parse import quote

from inferpoint.model.http import Call, json_call
from inferpoint.model.results import Usage
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols.openai.failures import complaint
from inferpoint.protocols.readers import count, members
from inferpoint.protocols.service import Failures, Limits, RateLimit, Rates, rate_limit


@settings
class Account:
    """A workspace, and one of its services."""

    api_key: str = secret("The API key of Alibaba Cloud AI Search.")
    service_id: str = setting("The service to call, such as ops-text-embedding-001.")
    host: str = setting("The host of the workspace, without a scheme.", pattern="[a-zA-Z0-9.:-]+")
    workspace: str = setting("The name of the workspace.")
    http_schema: str = setting("The scheme of the address.", default="https", choices=("https", "http"))
    rate_limit: RateLimit | None = rate_limit()


def call(kind: str, model: Account, body: Mapping[str, Any]) -> Call:
    """A call of one of the workspace's services, of which each is of some *kind*."""
    workspace, service = quote(model.workspace, safe=""), quote(model.service_id, safe="")
    root = f"{model.http_schema}://{model.host}/v3/openapi/workspaces/{workspace}"
    return json_call(f"{root}/{kind}/{service}", body)


def usage(told: Any) -> Usage | None:
    """The tokens that an answer tells, by any of their names."""
    counts = members(told)
    tokens, output = count(counts.get("token_count", counts.get("input_tokens"))), count(counts.get("output_tokens"))
    return None if tokens is None and output is None else Usage(tokens or 0, output or 0)


def group(model: Account) -> Hashable:
    """One queue for a service of a workspace, as in Elasticsearch."""
    return model.service_id, model.host, model.workspace, model.http_schema


RATES = Rates(default=1000, group=group)
# https://help.aliyun.com/zh/open-search/search-platform/developer-reference/api-text-embedding: 32 texts a call.
EMBEDDING_RATES = Rates(default=1000, group=group, limits=lambda _: Limits(inputs=32))
FAILURES = Failures(complaint=complaint)
