"""What Bedrock's page lets a user set, and what it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from bedrock_judge import addresses
from played import asked, endpoint, refused

from inferpoint.endpoints.document import merge
from inferpoint.endpoints.resolved import Resolved
from inferpoint.engine.preflight import prepared
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Reply
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings, Usage

SETTINGS = {
    "access_key": "AKIDEXAMPLE",
    "secret_key": "secret-example",
    "region": "us-east-1",
    "provider": "anthropic",
    "model": "m",
}
EMBEDDING, COMPLETION = TaskType.TEXT_EMBEDDING, TaskType.COMPLETION
PROVIDERS = ("ai21labs", "amazontitan", "anthropic", "cohere", "meta", "mistral")
EMBEDDERS = ("amazontitan", "cohere")
WITH_TOP_K = ("anthropic", "cohere", "mistral")


def model(kind: TaskType = COMPLETION, settings: Mapping[str, Any] = {}, **options: Any) -> Resolved:
    return endpoint(kind, "amazonbedrock", SETTINGS | settings, options)


def config(settings: Mapping[str, Any], options: Mapping[str, Any] = {}) -> dict[str, Any]:
    return {"service": "amazonbedrock", "service_settings": SETTINGS | settings, "task_settings": options}


def test_the_sdk_has_the_same_addresses() -> None:
    """In every region of every partition that it knows."""
    assert len(addresses()) > 30
    for region, address in addresses().items():
        assert asked(model(settings={"region": region}), "hi").url == f"{address}/model/m/converse"


@pytest.mark.parametrize(
    "region",
    ["evil.test/", "us-east-1.evil.test", "us-east-1@evil.test", "us-east-1/..", "us-east-1#", "us-east-1?",
     "us east 1", "us-east-1\n", "US-EAST-1", "-", "us", "us-east-1-", "\u017fs-east-1", "us-east-\uff11"],
)  # fmt: skip
def test_a_region_cannot_change_where_the_key_goes(region: str) -> None:
    """A region, which is a part of the host's name, holds nothing that would make another host of it."""
    words = "[region] must match the pattern [a-z0-9]+(-[a-z0-9]+)+"
    reason = f"Validation Failed: 1: [service_settings] Invalid value [{region}] received. {words};"
    assert refused(COMPLETION, config({"region": region})) == (400, "validation_exception", reason)


@pytest.mark.parametrize("written", ["cohere", "COHERE", "Cohere"])
def test_a_provider_is_shown_as_the_page_writes_it(written: str) -> None:
    """Whatever the case that it came in."""
    for kind in (EMBEDDING, COMPLETION):
        assert model(kind, {"provider": written}).shown()["service_settings"]["provider"] == "cohere"


def test_what_is_shown() -> None:
    """Neither key; the rate limit always; of the options what was set."""
    shown = {
        "region": "us-east-1",
        "provider": "anthropic",
        "model": "m",
        "rate_limit": {"requests_per_minute": 240},
    }
    assert model(top_k=3, temperature=0).shown() == {
        "inference_id": "e",
        "task_type": "completion",
        "service": "amazonbedrock",
        "service_settings": shown,
        "task_settings": {"temperature": 0, "top_k": 3},
    }
    embedding = model(EMBEDDING, {"provider": "cohere"}).shown()
    assert embedding["service_settings"] == {**shown, "provider": "cohere"}
    assert "task_settings" not in embedding
    assert "chunking_settings" in embedding


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("kind", [EMBEDDING, COMPLETION])
def test_every_pair_of_the_page_and_no_other(provider: str, kind: TaskType) -> None:
    """A pair that the page does not list is refused with both named, whatever the case it came in."""
    wrong = None
    if kind is EMBEDDING and provider not in EMBEDDERS:
        reason = f"The [text_embedding] task type for provider [{provider}] is not available"
        wrong = (400, "status_exception", reason)
    assert refused(kind, config({"provider": provider.upper()})) == wrong


@pytest.mark.parametrize("provider", PROVIDERS)
def test_top_k_is_for_three_providers(provider: str) -> None:
    """The others have no such parameter."""
    wrong = None
    if provider not in WITH_TOP_K:
        wrong = (400, "status_exception", f"The [top_k] task parameter is not available for provider [{provider}]")
    assert refused(COMPLETION, config({"provider": provider}, {"top_k": 20})) == wrong


@pytest.mark.parametrize(
    "change",
    [
        lambda resolved: merge(resolved, {"task_settings": {"top_k": 5}}, largest_chunk=300),
        lambda resolved: prepared(resolved, InferenceRequest(("hi",), options={"top_k": 5}), None),
    ],
    ids=["update", "request"],
)
def test_top_k_cannot_come_later(change: Callable[[Resolved], Resolved]) -> None:
    """Settings are checked together whenever either changes, be it for one request."""
    resolved = model(settings={"provider": "meta"}, temperature=1)
    with pytest.raises(InferenceError, match=r"The \[top_k\] task parameter is not available for provider \[meta\]"):
        change(resolved)


NOT_WITH = "[temperature] should not be used when [{}] is set"


@pytest.mark.parametrize(
    ("options", "warnings"),
    [
        ({"top_p": 0.1, "top_k": 3}, []),
        ({"temperature": 0}, []),
        ({"temperature": 0, "top_p": 0}, [NOT_WITH.format("top_p")]),
        ({"temperature": 0, "top_k": 1}, [NOT_WITH.format("top_k")]),
        ({"temperature": 0, "top_p": 0, "top_k": 1}, [NOT_WITH.format("top_p"), NOT_WITH.format("top_k")]),
    ],
)
def test_what_is_taken_but_not_wise(options: dict[str, Any], warnings: list[str]) -> None:
    """The page: temperature should not be used with top_p or top_k."""
    assert list(model(**options).warnings) == warnings


def test_whose_calls_wait_in_one_queue() -> None:
    """Those of one pair of keys, whatever their models, regions, tasks and limits."""
    one = [
        model(),
        model(settings={"region": "eu-west-1", "model": "n"}),
        model(EMBEDDING, {"provider": "cohere"}),
        model(top_k=1),
        model(settings={"rate_limit": {"requests_per_minute": 7}}),
        model(EMBEDDING, {"provider": "cohere", "rate_limit": {"tokens_per_minute": 7, "burst": 2}}),
    ]
    others = [model(settings={"access_key": "AKIDOTHER"}), model(settings={"secret_key": "other"})]
    assert len({each.group for each in one}) == 1
    assert len({each.group for each in [*one, *others]}) == 3


def test_a_key_can_be_replaced_and_what_is_called_cannot() -> None:
    """Keys and the rate limit by `_update`; all else is a new endpoint."""
    for name in ("access_key", "secret_key"):
        assert merge(model(), {"service_settings": {name: "new"}}, largest_chunk=300) != model()
    for name in ("region", "provider", "model"):
        with pytest.raises(InferenceError, match="unknown to the"):
            merge(model(), {"service_settings": {name: "new"}}, largest_chunk=300)


def missing(name: str, scope: str = "service_settings") -> str:
    return f"[{scope}] does not contain the required setting [{name}]"


def empty(name: str, scope: str = "service_settings") -> str:
    return f"[{scope}] Invalid value empty string. [{name}] must be a non-empty string"


def untyped(name: str, value: str, wanted: str) -> str:
    return f"field [{name}] is not of the expected type. The value [{value}] cannot be converted to a [{wanted}]"


def bound(name: str, value: str, words: str) -> str:
    return f"[task_settings] Invalid value [{value}]. [{name}] must be {words}"


CHOICES = "ai21labs, amazontitan, anthropic, cohere, meta, mistral"
WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"access_key": None}, {}, missing("access_key", "secret_settings")),
    ({"secret_key": None}, {}, missing("secret_key", "secret_settings")),
    ({"access_key": ""}, {}, empty("access_key", "secret_settings")),
    ({"secret_key": 7}, {}, untyped("secret_key", "***", "String")),
    ({"region": None}, {}, missing("region")),
    ({"region": ""}, {}, empty("region")),
    ({"region": 1}, {}, untyped("region", "1", "String")),
    ({"provider": None}, {}, missing("provider")),
    ({"provider": ""}, {}, empty("provider")),
    ({"provider": 1}, {}, untyped("provider", "1", "String")),
    ({"provider": "OpenAI"}, {},
     f"[service_settings] Invalid value [OpenAI] received. [provider] must be one of [{CHOICES}]"),
    ({"model": None}, {}, missing("model")),
    ({"model": ""}, {}, empty("model")),
    ({"model": {"id": "m"}}, {}, untyped("model", "{id=m}", "String")),
    ({"rate_limit": {"requests_per_minute": -3}}, {},
     "[rate_limit] Invalid value [-3]. [requests_per_minute] must be a positive long"),
    ({}, {"max_new_tokens": 0}, bound("max_new_tokens", "0", "a positive integer")),
    ({}, {"max_new_tokens": -64}, bound("max_new_tokens", "-64", "a positive integer")),
    ({}, {"max_new_tokens": 64.0}, untyped("max_new_tokens", "64.0", "Integer")),
    ({}, {"max_new_tokens": "64"}, untyped("max_new_tokens", "64", "Integer")),
    ({}, {"temperature": -0.1}, bound("temperature", "-0.1", "greater than or equal to [0.0]")),
    ({}, {"temperature": 1.01}, bound("temperature", "1.01", "less than or equal to [1.0]")),
    ({}, {"temperature": 2}, bound("temperature", "2.0", "less than or equal to [1.0]")),
    ({}, {"temperature": "hot"}, untyped("temperature", "hot", "Double")),
    ({}, {"top_p": -1}, bound("top_p", "-1.0", "greater than or equal to [0.0]")),
    ({}, {"top_p": 1.5}, bound("top_p", "1.5", "less than or equal to [1.0]")),
    ({}, {"top_p": False}, untyped("top_p", "false", "Double")),
    ({}, {"top_k": 0}, bound("top_k", "0.0", "greater than [0.0]")),
    ({}, {"top_k": -2.5}, bound("top_k", "-2.5", "greater than [0.0]")),
    ({}, {"top_k": [1]}, untyped("top_k", "[1]", "Double")),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "options", "problem"), WRONG)
def test_wrong_settings(settings: dict[str, Any], options: dict[str, Any], problem: str) -> None:
    """Each by itself, in Elasticsearch's words; null is as if it were not there."""
    told = (400, "validation_exception", f"Validation Failed: 1: {problem};")
    assert refused(COMPLETION, config(settings, options)) == told


@pytest.mark.parametrize(("settings", "problem"), [(settings, problem) for settings, _, problem in WRONG if settings])
def test_wrong_settings_of_an_embedding(settings: dict[str, Any], problem: str) -> None:
    """An embedding's settings, each wrong by itself, are refused in Elasticsearch's words."""
    told = (400, "validation_exception", f"Validation Failed: 1: {problem};")
    assert refused(EMBEDDING, config({"provider": "cohere", **settings})) == told


@pytest.mark.parametrize("value", [0, -5])
def test_max_input_tokens_is_positive(value: int) -> None:
    """Of an embedding; nothing else has it."""
    problem = f"[service_settings] Invalid value [{value}]. [max_input_tokens] must be a positive integer"
    told = (400, "validation_exception", f"Validation Failed: 1: {problem};")
    assert refused(EMBEDDING, config({"provider": "cohere", "max_input_tokens": value})) == told


def test_max_input_tokens_can_be_changed() -> None:
    """And is shown."""
    made = model(EMBEDDING, {"provider": "cohere", "max_input_tokens": 8})
    after = merge(made, {"service_settings": {"max_input_tokens": 9}}, largest_chunk=300)
    assert after.shown()["service_settings"]["max_input_tokens"] == 9


def unknown(shown: str) -> str:
    return f"Configuration contains settings [{{{shown}}}] unknown to the [amazonbedrock] service"


@pytest.mark.parametrize(
    ("kind", "wrong", "reason"),
    [
        (COMPLETION, config({"api_key": "k"}), unknown("api_key=***")),
        (COMPLETION, config({"model_id": "m"}), unknown("model_id=m")),
        (COMPLETION, config({}, {"max_tokens": 5}), unknown("max_tokens=5")),
        (EMBEDDING, config({"provider": "cohere"}, {"top_k": 5}), unknown("top_k=5")),
        (EMBEDDING, config({"provider": "cohere"}, {"max_new_tokens": 5}), unknown("max_new_tokens=5")),
        (EMBEDDING, config({"provider": "cohere", "dimensions": 5}), unknown("dimensions=5")),
        (COMPLETION, config({"max_input_tokens": 5}), unknown("max_input_tokens=5")),
        (EMBEDDING, config({"provider": "cohere"}) | {"more": True}, unknown("more=true")),
        (TaskType.RERANK, config({}), "The [amazonbedrock] service does not support task type [rerank]"),
        (COMPLETION, {"service": "amazonbedrock"}, "Missing required field [service_settings]"),
    ],
)
def test_wrong_configurations(kind: TaskType, wrong: dict[str, Any], reason: str) -> None:
    """What stands alone is a plain refusal."""
    assert refused(kind, wrong) == (400, "status_exception", reason)


def test_all_problems_at_once() -> None:
    """So that a person mends a configuration in one go; contradictions come when each value is right by itself."""
    told = refused(
        EMBEDDING,
        {"service": "amazonbedrock", "service_settings": {"provider": "metta", "region": "us-east-1/"}},
    )
    assert told is not None
    for problem in (
        missing("access_key", "secret_settings"),
        missing("secret_key", "secret_settings"),
        missing("model"),
        "[provider] must be one of",
        "[region] must match the pattern",
    ):
        assert problem in told[2]


@pytest.mark.parametrize(("count", "usage"), [(5, Usage(5)), *((odd, None) for odd in (None, -1, 1.5, "5", [], {}))])
def test_an_odd_count_never_costs_a_vector_that_was_paid(count: object, usage: Usage | None) -> None:
    """Titan's vector is read whatever stands where its tokens are told."""
    resolved = model(EMBEDDING, {"provider": "amazontitan"})
    reply = Reply(200, msgspec.json.encode({"embedding": [1, 2], "inputTextTokenCount": count}))
    request = InferenceRequest(("a",))
    result = resolved.task.decode(reply, request, resolved.endpoint.settings, resolved.endpoint.options)
    assert isinstance(result, Embeddings)
    assert (result.numbers(), result.usage) == ([[1, 2]], usage)
