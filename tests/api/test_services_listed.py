"""`GET _inference/_services` beside what Elasticsearch lists: equal, but for differences that have a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from inferpoint import services
from inferpoint.api.elastic import write
from inferpoint.model.descriptions import described

HERE = Path(__file__).parent
ELASTICSEARCHS: dict[str, Any] = json.loads((HERE / "elasticsearch_services.json").read_text("utf-8"))["services"]
DOCUMENT = (HERE.parents[1] / "docs/compatibility.md").read_text("utf-8")
FLAGS = ("required", "sensitive", "updatable")
TRUTH = "updatable as it is in Elasticsearch too, whose list says otherwise"
# What is told otherwise here than in Elasticsearch's list: the service, the setting, what of it, and why.
DIFFERENCES = {
    **{
        ("amazon_sagemaker", option, "updatable"): TRUTH
        for option in ("custom_attributes", "enable_explanations", "inference_id", "session_id", "target_variant")
    },
    ("mistral", "max_input_tokens", "updatable"): TRUTH,
    ("watsonxai", "max_input_tokens", "updatable"): TRUTH,
    ("openai", "organization_id", "updatable"): TRUTH,
    ("alibabacloud-ai-search", "http_schema", "required"): "`https` unless set, as Elasticsearch's code has it",
    ("alibabacloud-ai-search", "http_schema", "default"): "`https` unless set, as Elasticsearch's code has it",
    ("azureopenai", "tenant_id", "sensitive"): "shown by `GET`, as Elasticsearch shows it",
    ("deepseek", "url", "default"): "without one the service's own address is called, whatever moves it",
    ("elasticsearch", "num_allocations", "required"): "1 unless set",
    ("elasticsearch", "num_threads", "required"): "1 unless set",
    ("elasticsearch", "num_threads", "default"): "1 unless set",
    ("googlevertexai", "location", "required"): "optional in newer versions of Elasticsearch's code",
    ("hugging_face", "url", "default"): "Elasticsearch's is OpenAI's address, by mistake",
    ("llama", "api_key", "required"): "optional, as in Elasticsearch's code",
}


def listed() -> dict[str, Any]:
    """What our route answers, by service."""
    every = msgspec.json.decode(write.services(map(services.find, services.names())).body)
    return {one["service"]: one for one in every}


def differences(ours: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Each setting of Elasticsearch's that is not here, or of which something else is told."""
    for service, theirs in ELASTICSEARCHS.items():
        for name, (kind, *words) in theirs["configurations"].items():
            setting = ours[service]["configurations"].get(name)
            if setting is None:
                yield service, name, "missing"
                continue
            told = {"type": setting["type"], "default": str(setting.get("default_value"))}
            default = next((word.partition(" ")[2] for word in words if word.startswith("default ")), "None")
            for what, wanted in (("type", kind), ("default", default)):
                if told[what] != wanted:
                    yield service, name, what
            for flag in FLAGS:
                if setting[flag] is not (flag in words):
                    yield service, name, flag


def test_every_service_of_elasticsearch_is_listed_by_its_name() -> None:
    """All but its own cloud; `custom` is hidden there and not here."""
    ours = listed()
    assert ours.keys() - ELASTICSEARCHS.keys() == {"custom"}
    assert {service: one["name"] for service, one in ours.items() if service in ELASTICSEARCHS} == {
        service: one["name"] for service, one in ELASTICSEARCHS.items()
    }


@pytest.mark.parametrize("service", ELASTICSEARCHS)
def test_every_task_of_elasticsearch_is_there(service: str) -> None:
    """Those that only we have are Cohere's chats alone."""
    theirs = set(ELASTICSEARCHS[service]["task_types"])
    ours = {kind.value for kind in services.find(service).tasks}
    assert theirs <= ours
    assert ours - theirs == ({"chat_completion"} if service == "cohere" else set())


def test_every_setting_of_elasticsearch_is_told_as_it_tells_it() -> None:
    """Type, default, whether it is required, a secret, updatable; what differs has a reason, and no reason is stale."""
    assert set(differences(listed())) == DIFFERENCES.keys()


def test_every_difference_is_documented() -> None:
    """The page of compatibility says of each what it is and why."""
    table = DOCUMENT.partition("## `_services`")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    for (service, setting, what), why in DIFFERENCES.items():
        assert any(f"`{service}`" in row and f"`{setting}`" in row and what in row and why in row for row in rows), (
            service,
            setting,
            what,
        )


def test_each_setting_says_where_it_belongs_and_what_it_takes() -> None:
    """The place of each, its choices and its bounds, for whoever makes a form of the list."""
    for name, one in listed().items():
        for kind, task in services.find(name).tasks.items():
            every = {"service_settings": task.settings, "task_settings": task.options}
            mine = {n: s for n, s in one["configurations"].items() if kind.value in s["supported_task_types"]}
            for place, cls in every.items():
                for setting, told in described(cls).items():
                    assert mine[setting]["location"] == place
                    members = ("enum", "minimum", "exclusiveMinimum", "maximum")
                    assert [mine[setting].get(m) for m in members] == [told.get(m) for m in members], (name, setting)
