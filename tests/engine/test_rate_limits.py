"""What `rate_limit` takes, what it means, what is shown of it, and who shares a queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from world import COMPLETION, EMBEDDING, World, elasticsearch, openai, told

from inferpoint.api.elastic.routes import list_services
from inferpoint.api.face import Request
from inferpoint.errors import InferenceError
from inferpoint.model.quota import Rate
from inferpoint.model.requests import ANONYMOUS

MakeWorld = Callable[..., World]
REQUESTS, TOKENS, BURST = "requests_per_minute", "tokens_per_minute", "burst"


@pytest.fixture
def untried(make_world: MakeWorld) -> World:
    """A world in which an endpoint costs no call."""
    return make_world(validate=False)


def limited(value: Any) -> dict[str, Any]:
    return openai({"rate_limit": value})


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        (None, Rate(3000)),
        ({}, Rate(3000)),
        ({REQUESTS: 7}, Rate(7)),
        ({REQUESTS: 2**63 - 1}, Rate(2**63 - 1)),
        ({TOKENS: 9}, Rate(3000, 9)),
        ({TOKENS: 2**63 - 1}, Rate(3000, 2**63 - 1)),
        ({BURST: 5}, Rate(3000, burst=5)),
        ({REQUESTS: 7, TOKENS: 9, BURST: 2**31 - 1}, Rate(7, 9, burst=2**31 - 1)),
        ({REQUESTS: None, TOKENS: None, BURST: None}, Rate(3000)),
    ],
)
def test_what_is_not_set_is_the_default(untried: World, value: Any, rate: Rate) -> None:
    """The service's for requests, none for tokens, one for the burst; each by itself, and after a restart too."""
    untried.create("e", EMBEDDING, limited(value))
    untried.run(untried.endpoints.load())
    assert untried.endpoints.find("e").rate == rate


def test_a_model_of_our_own_has_no_limit(untried: World) -> None:
    """Nor is any shown."""
    made = untried.create("e", EMBEDDING, elasticsearch())
    assert made.rate == Rate()
    assert "rate_limit" not in made.shown()["service_settings"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, {REQUESTS: 3000}),
        ({REQUESTS: 7, BURST: 1}, {REQUESTS: 7}),
        ({TOKENS: 9}, {REQUESTS: 3000, TOKENS: 9}),
        ({BURST: 5}, {REQUESTS: 3000, BURST: 5}),
        ({REQUESTS: 7, TOKENS: 9, BURST: 5}, {REQUESTS: 7, TOKENS: 9, BURST: 5}),
    ],
)
def test_what_elasticsearch_does_not_know_is_shown_where_it_was_set(untried: World, value: Any, shown: Any) -> None:
    """A client of Elasticsearch that sets what Elasticsearch knows reads what Elasticsearch shows."""
    assert untried.create("e", EMBEDDING, limited(value)).shown()["service_settings"]["rate_limit"] == shown


def test_a_rate_limit_is_changed_as_a_whole(untried: World) -> None:
    """What the new one does not say is the default again."""
    untried.create("e", EMBEDDING, limited({REQUESTS: 7, TOKENS: 9, BURST: 5}))
    changed = untried.update("e", {"service_settings": {"rate_limit": {TOKENS: 10}}})
    assert changed.rate == Rate(3000, 10)


def positive(name: str, value: int, noun: str) -> str:
    return f"[rate_limit] Invalid value [{value}]. [{name}] must be a positive {noun}"


def of_type(name: str, shown: str, wanted: str) -> str:
    return f"field [{name}] is not of the expected type. The value [{shown}] cannot be converted to a [{wanted}]"


NOUNS = ((REQUESTS, "long", 2**63), (TOKENS, "long", 2**63), (BURST, "integer", 2**31))
WRONG: list[tuple[Any, str]] = [
    *(({name: 0}, positive(name, 0, noun)) for name, noun, _ in NOUNS),
    *(({name: -1}, positive(name, -1, noun)) for name, noun, _ in NOUNS),
    *(({name: limit}, of_type(name, str(limit), noun.title())) for name, noun, limit in NOUNS),
    *(({name: -limit}, of_type(name, str(-limit), noun.title())) for name, noun, limit in NOUNS),
    *(({name: 10**30}, of_type(name, str(10**30), noun.title())) for name, noun, _ in NOUNS),
    *(({name: "9"}, of_type(name, "9", noun.title())) for name, noun, _ in NOUNS),
    *(({name: ""}, of_type(name, "", noun.title())) for name, noun, _ in NOUNS),
    *(({name: 1.5}, of_type(name, "1.5", noun.title())) for name, noun, _ in NOUNS),
    *(({name: 9.0}, of_type(name, "9.0", noun.title())) for name, noun, _ in NOUNS),
    *(({name: True}, of_type(name, "true", noun.title())) for name, noun, _ in NOUNS),
    *(({name: [9]}, of_type(name, "[9]", noun.title())) for name, noun, _ in NOUNS),
    *(({name: {}}, of_type(name, "{}", noun.title())) for name, noun, _ in NOUNS),
    ({"tokens_per_hour": 9}, "Rate limit settings contain unknown entries [{tokens_per_hour=9}]"),
    ({TOKENS: 9, "per": "s"}, "Rate limit settings contain unknown entries [{per=s}]"),
    (9, of_type("rate_limit", "9", "Map")),
    ("9", of_type("rate_limit", "9", "Map")),
    ([], of_type("rate_limit", "[]", "Map")),
]


@pytest.mark.parametrize(("value", "problem"), WRONG)
def test_a_wrong_limit_is_refused_in_elasticsearchs_words(untried: World, value: Any, problem: str) -> None:
    """When an endpoint is made and when it is changed; nothing is kept."""
    with pytest.raises(InferenceError) as caught:
        untried.create("e", EMBEDDING, limited(value))
    status, kind, reason = told(caught.value)
    assert (status, kind, reason) == (400, "validation_exception", f"Validation Failed: 1: {problem};")
    untried.create("e", EMBEDDING, limited(None))
    with pytest.raises(InferenceError) as caught:
        untried.update("e", {"service_settings": {"rate_limit": value}})
    assert told(caught.value)[0] == 400
    assert problem in told(caught.value)[2]
    assert untried.endpoints.find("e").rate == Rate(3000)


def test_all_that_is_wrong_is_said_at_once(untried: World) -> None:
    """Three wrong limits are mended in one go."""
    with pytest.raises(InferenceError) as caught:
        untried.create("e", EMBEDDING, limited({REQUESTS: 0, TOKENS: "9", BURST: -1}))
    assert caught.value.problems == (
        positive(REQUESTS, 0, "long"),
        of_type(TOKENS, "9", "Long"),
        positive(BURST, -1, "integer"),
    )


@pytest.mark.parametrize("name", ["openai", "anthropic", "amazonbedrock", "hugging_face"])
def test_every_limit_is_described(untried: World, name: str) -> None:
    """`_services` tells of all three, and that the burst is one unless it is set."""
    asked = Request("GET", "/_inference/_services", {}, {}, {}, b"", ANONYMOUS, "r")
    answer: Any = untried.run(list_services(untried.engine, asked))
    listed = msgspec.json.decode(answer.body)
    [found] = [each["configurations"] for each in listed if each["service"] == name]
    described = {key.partition(".")[2]: each for key, each in found.items() if key.startswith("rate_limit.")}
    assert described.keys() == {REQUESTS, TOKENS, BURST}
    assert {each["type"] for each in described.values()} == {"int"}
    assert not any(each["required"] or each["sensitive"] for each in described.values())
    assert described[BURST]["default_value"] == 1


def test_other_limits_are_another_queue(untried: World) -> None:
    """Each of the three is part of what makes a queue, as it holds in the end: a default that is set is the default."""
    limits = [{REQUESTS: 7}, {TOKENS: 9}, {BURST: 5}, {REQUESTS: 7, TOKENS: 9}]
    made = [untried.create(f"e{n}", EMBEDDING, limited(value)) for n, value in enumerate([None, *limits])]
    assert len({each.group for each in made}) == len(made)
    same = untried.create("same", EMBEDDING, limited({REQUESTS: 3000, BURST: 1}))
    assert same.group == made[0].group


def test_other_tasks_of_a_model_have_another_default(untried: World) -> None:
    """Tasks of one key and model share a queue only where their limits are equal."""
    embedding, completion = untried.create("a", EMBEDDING, openai()), untried.create("b", COMPLETION, openai())
    assert embedding.group != completion.group
    alike = [untried.create(f"{kind}", kind, limited({REQUESTS: 7})) for kind in (EMBEDDING, COMPLETION)]
    assert alike[0].group == alike[1].group
