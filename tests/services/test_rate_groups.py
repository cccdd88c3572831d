"""Which endpoints wait in one queue, because their provider counts their calls together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from in_process import Application
from service_accounts import key_file
from world import COMPLETION, World

KEY = {"api_key": "k", "model_id": "m"}
CLIENT = {
    "client_id": "c", "client_secret": "s", "scopes": ["a"], "token_url": "https://login.test/token", "model_id": "m",
}  # fmt: skip
DEPLOYED = {"api_key": "k", "url": "https://one.test", "model_id": "m"}
SAGEMAKER = {"access_key": "a", "secret_key": "s", "region": "us-east-1", "endpoint_name": "e", "api": "openai"}
CUSTOM = {
    "secret_parameters": {"key": "k"},
    "url": "https://one.test",
    "request": "${input}",
    "response": {"json_parser": {"completion_result": "$.text"}},
}
AWS = {"access_key": "a", "secret_key": "s", "region": "us-east-1", "provider": "amazontitan", "model": "m"}

GOOGLE = {"service_account_json": key_file(), "project_id": "p", "model_id": "m"}
GARDEN = {"service_account_json": key_file(), "provider": "meta", "url": "https://one.test"}


@pytest.mark.parametrize(
    ("service", "settings", "other", "shared"),
    [
        ("openai", KEY, {}, True),
        ("openai", KEY, {"organization_id": "o"}, True),
        ("openai", KEY, {"api_key": "l"}, False),
        ("openai", KEY, {"model_id": "n"}, False),
        ("openai", KEY, {"url": "https://other.test"}, False),
        ("openai", CLIENT, {}, True),
        ("openai", CLIENT, {"client_id": "d"}, False),
        ("openai", CLIENT, {"client_secret": "t"}, False),
        ("openai", CLIENT, {"model_id": "n"}, False),
        ("anthropic", KEY, {}, True),
        ("anthropic", KEY, {"api_key": "l"}, False),
        ("anthropic", KEY, {"model_id": "n"}, False),
        ("anthropic", KEY, {"url": "https://other.test"}, False),
        ("hugging_face", DEPLOYED, {"model_id": "n"}, True),
        ("hugging_face", DEPLOYED, {"api_key": "l"}, False),
        ("hugging_face", DEPLOYED, {"url": "https://other.test"}, False),
        ("amazon_sagemaker", SAGEMAKER, {"target_model": "n"}, True),
        ("amazon_sagemaker", SAGEMAKER, {"secret_key": "t"}, True),
        ("amazon_sagemaker", SAGEMAKER, {"endpoint_name": "f"}, False),
        ("amazon_sagemaker", SAGEMAKER, {"access_key": "b"}, False),
        ("amazon_sagemaker", SAGEMAKER, {"inference_component_name": "c"}, False),
        ("custom", CUSTOM, {"request": "{}"}, True),
        ("custom", CUSTOM, {"url": "https://two.test"}, False),
        ("custom", CUSTOM, {"secret_parameters": {"key": "l"}}, False),
        ("amazonbedrock", AWS, {"model": "n"}, True),
        ("amazonbedrock", AWS, {"access_key": "b"}, False),
        ("amazonbedrock", AWS, {"secret_key": "t"}, False),
        ("googleaistudio", KEY, {"api_key": "l"}, True),
        ("googleaistudio", KEY, {"model_id": "n"}, False),
        ("googlevertexai", GOOGLE, {"rate_limit": {"burst": 1}}, True),
        ("googlevertexai", GOOGLE, {"location": "us-central1"}, False),
        ("googlevertexai", GOOGLE, {"model_id": "n"}, False),
        ("googlevertexai", GARDEN, {"streaming_url": "https://other.test"}, True),
        ("googlevertexai", GARDEN, {"url": "https://other.test"}, False),
    ],
)
def test_one_queue_for_what_a_provider_counts_together(
    make_world: Callable[..., World],
    service: str,
    settings: Mapping[str, Any],
    other: Mapping[str, Any],
    *,
    shared: bool,
) -> None:
    """Two endpoints wait for each other when their accounts are one, and never when a setting sets them apart."""
    world = make_world(validate=False)
    options = {"max_tokens": 9} if service == "anthropic" else {}
    for name, account in (("e", settings), ("f", {**settings, **other})):
        world.create(name, COMPLETION, {"service": service, "service_settings": account, "task_settings": options})
    groups = [sorted(each["inference_ids"]) for each in Application(world)("GET", "/_inference/_quotas").json["quotas"]]
    assert sorted(groups) == ([["e", "f"]] if shared else [["e"], ["f"]])
