"""Every service and task, with values for all that may be set: what tests of all declarations start from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from service_accounts import key_file
from world import EMBEDDING

from inferpoint import services
from inferpoint.model.endpoint import TaskType
from inferpoint.model.setting import Setting
from inferpoint.model.settings import declared

OAUTH2 = {
    "api_key": None,
    "client_id": "c",
    "client_secret": "made-up-secret",
    "scopes": ["s"],
    "token_url": "https://tokens.test/",
}
ENTRA = ("entra_id", "client_id", "client_secret", "scopes", "tenant_id")
EVERY = [(name, kind) for name in services.names() for kind in services.find(name).tasks]


def value(one: Setting) -> Any:
    """A value that *one* takes, by which it can be told from its default."""
    if one.choices:
        return one.choices[0]
    if one.nested:
        return {inner.name: value(inner) for inner in declared(one.kind)}
    if one.url:
        return "https://first.test/v1"
    if one.pattern:
        return next(text for text in ("us-east-1", "s3://bucket/folder") if re.fullmatch(one.pattern, text))
    if one.pairs:
        return [["a", "b"]]
    kinds: Mapping[Any, Any] = {str: f"a {one.name}", int: 3, float: 0.5, bool: True, list: ["a"], dict: {"x-a": "b"}}
    return kinds[one.kind]


def whole(name: str, kind: TaskType) -> tuple[dict[str, Any], dict[str, Any]]:
    """Service settings of a task, all of them, and its task settings; those with several kinds of key with one."""
    task = services.find(name).tasks[kind]
    given = {one.name: value(one) for one in declared(task.settings)}
    if name == "azureopenai":
        given = {one: text for one, text in given.items() if one not in ENTRA}
    if name == "openai":
        given = {one: text for one, text in given.items() if one not in OAUTH2 or one == "api_key"}
    if name == "azureaistudio":
        given |= {"provider": "cohere", "endpoint_type": "token"}
    if name == "googlevertexai":
        given["service_account_json"] = key_file()
    if name == "custom":  # whose paths begin with a sign
        given["secret_parameters"] = {"a_secret": "a secret"}
        given["response"] = {"json_parser": {path: f"$.{path}" for path in given["response"]["json_parser"]}}
        given["response"]["json_parser"] |= {"embedding_type": "byte"} if kind is EMBEDDING else {}
    if name == "amazon_sagemaker":
        given |= {"api": "elastic"}
    if name == "amazonbedrock":
        provider = {TaskType.RERANK: "cohere"}.get(kind, "cohere" if kind is EMBEDDING else "anthropic")
        given |= {"provider": provider, "model": f"{provider}.m"}
    options = [one for one in declared(task.options) if not one.rest]
    return given, {one.name: value(one) for one in options if name != "amazonbedrock"}
