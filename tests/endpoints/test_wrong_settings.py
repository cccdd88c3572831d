"""Every wrong input of the settings of our services: the exact status, type and reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from world import (
    COMPLETION,
    EMBEDDING,
    SECRET,
    World,
    elasticsearch,
    elasticsearchs,
    hugging_face,
    json_reply,
    like_text_embeddings_inference,
    openai,
    told,
    without,
)

from inferpoint.api.elastic.errors import envelope
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType

STATUS, SETTINGS, REQUEST = "status_exception", "validation_exception", "action_request_validation_exception"
ARGUMENT = "illegal_argument_exception"
SERVICE, OPTIONS, CHUNKING = "[service_settings]", "[task_settings]", "[chunking_settings]"


def failed(*problems: str) -> str:
    return "Validation Failed: " + "".join(f"{n}: {problem};" for n, problem in enumerate(problems, 1))


def missing(name: str, scope: str = SERVICE) -> str:
    return failed(f"{scope} does not contain the required setting [{name}]")


def empty(name: str, scope: str = SERVICE) -> str:
    return failed(f"{scope} Invalid value empty string. [{name}] must be a non-empty string")


def of_type(name: str, shown: str, wanted: str) -> str:
    return failed(
        f"field [{name}] is not of the expected type. The value [{shown}] cannot be converted to a [{wanted}]"
    )


def positive(name: str, value: int, scope: str = SERVICE, noun: str = "integer") -> str:
    return failed(f"{scope} Invalid value [{value}]. [{name}] must be a positive {noun}")


def one_of(name: str, value: object, choices: str, scope: str = SERVICE) -> str:
    return failed(f"{scope} Invalid value [{value}] received. [{name}] must be one of [{choices}]")


def bad_url(value: str, reason: str) -> str:
    return failed(
        f"{SERVICE} Invalid url [{value}] received for field [url]."
        f" Error: unable to parse url [{value}]. Reason: {reason}"
    )


def unknown(shown: str, service: str) -> str:
    return f"Configuration contains settings [{shown}] unknown to the [{service}] service"


def limited(config: Callable[..., Any], value: object) -> Any:
    return config({"rate_limit": value})


def chunked(config: Callable[..., Any], **values: object) -> Any:
    return config(chunking_settings=values)


Case = tuple[str, TaskType | None, Any, str, str]
SIMILARITIES = "cosine, dot_product, l2_norm"


def of_every_service() -> list[Case]:
    """What is wrong in the same way whatever the service."""
    found: list[Case] = []
    for service, make, required, secret in (
        ("openai", openai, "model_id", True),
        ("hugging_face", hugging_face, "url", True),
        ("elasticsearch", elasticsearch, "model_id", False),
    ):
        right = make()
        undone = TaskType.EMBEDDING if service in ("hugging_face", "elasticsearch") else TaskType.RERANK
        no_key = missing("api_key", "[secret_settings]")
        if service == "openai":
            no_key = failed(f"{SERVICE} must have exactly one field of [api_key, client_secret] set")
        found += [
            (f"{service}: nothing required", EMBEDDING, without(right, required), SETTINGS, missing(required)),
            (f"{service}: null", EMBEDDING, make({required: None}), SETTINGS, missing(required)),
            (f"{service}: empty", EMBEDDING, make({required: ""}), SETTINGS, empty(required)),
            (f"{service}: a number", EMBEDDING, make({required: 5}), SETTINGS, of_type(required, "5", "String")),
            (
                f"{service}: a list",
                EMBEDDING,
                make({required: ["a", 1]}),
                SETTINGS,
                of_type(required, "[a, 1]", "String"),
            ),
            (
                f"{service}: no service settings",
                EMBEDDING,
                {"service": service},
                STATUS,
                "Missing required field [service_settings]",
            ),
            (
                f"{service}: service settings are text",
                EMBEDDING,
                {"service": service, "service_settings": "x"},
                SETTINGS,
                None,
            ),
            (
                f"{service}: unknown at the top",
                EMBEDDING,
                {**right, "more": {"a": 1}, "apiKey": SECRET},
                STATUS,
                unknown("{more={a=1}, apiKey=***}", service),
            ),
            (
                f"{service}: unknown service setting",
                EMBEDDING,
                make({"more": [1, None], "access_key": SECRET}),
                STATUS,
                unknown("{more=[1, null], access_key=***}", service),
            ),
            (
                f"{service}: unknown task setting",
                EMBEDDING,
                make(task_settings={"more": True}),
                STATUS,
                unknown("{more=true}", service),
            ),
            (
                f"{service}: task settings are a list",
                EMBEDDING,
                make(task_settings=[]),
                SETTINGS,
                of_type("task_settings", "[]", "Map"),
            ),
            (
                f"{service}: a task it does not do",
                undone,
                right,
                STATUS,
                f"The [{service}] service does not support task type [{undone}]",
            ),
            (
                f"{service}: the path says otherwise",
                EMBEDDING,
                {**right, "task_type": "completion"},
                STATUS,
                "Cannot resolve conflicting task_type parameter in the request URL [text_embedding]"
                " and the request body [completion]",
            ),
        ]
        if secret:
            found += [
                (
                    f"{service}: no key",
                    EMBEDDING,
                    without(right, "api_key"),
                    SETTINGS,
                    no_key,
                ),
                (
                    f"{service}: null key",
                    EMBEDDING,
                    make({"api_key": None}),
                    SETTINGS,
                    no_key,
                ),
                (
                    f"{service}: empty key",
                    EMBEDDING,
                    make({"api_key": ""}),
                    SETTINGS,
                    empty("api_key", "[secret_settings]"),
                ),
                (
                    f"{service}: key in a list",
                    EMBEDDING,
                    make({"api_key": [SECRET]}),
                    SETTINGS,
                    of_type("api_key", "***", "String"),
                ),
                (
                    f"{service}: a number as key",
                    EMBEDDING,
                    make({"api_key": 12345}),
                    SETTINGS,
                    of_type("api_key", "***", "String"),
                ),
                (
                    f"{service}: rate 0",
                    EMBEDDING,
                    limited(make, {"requests_per_minute": 0}),
                    SETTINGS,
                    positive("requests_per_minute", 0, "[rate_limit]", "long"),
                ),
                (
                    f"{service}: rate -1",
                    EMBEDDING,
                    limited(make, {"requests_per_minute": -1}),
                    SETTINGS,
                    positive("requests_per_minute", -1, "[rate_limit]", "long"),
                ),
                (
                    f"{service}: rate text",
                    EMBEDDING,
                    limited(make, {"requests_per_minute": "9"}),
                    SETTINGS,
                    of_type("requests_per_minute", "9", "Long"),
                ),
                (
                    f"{service}: rate 1.5",
                    EMBEDDING,
                    limited(make, {"requests_per_minute": 1.5}),
                    SETTINGS,
                    of_type("requests_per_minute", "1.5", "Long"),
                ),
                (
                    f"{service}: rate not an object",
                    EMBEDDING,
                    limited(make, 9),
                    SETTINGS,
                    of_type("rate_limit", "9", "Map"),
                ),
                (
                    f"{service}: rate with more",
                    EMBEDDING,
                    limited(make, {"requests_per_minute": 9, "per": "s"}),
                    SETTINGS,
                    failed("Rate limit settings contain unknown entries [{per=s}]"),
                ),
            ]
    return found


def of_url() -> list[Case]:
    """Addresses that are none."""
    reasons = {
        "x": "the scheme must be http or https",
        "file:///etc/passwd": "the scheme must be http or https",
        "local:text_embedding": "the scheme must be http or https",
        "https://": "the host is missing",
        "https://a b/": "Illegal character",
        "<url_endpoint>": "Illegal character",
        "https://user:pw@a/": "user information is not allowed",
        "https://a:x/": "Port could not be cast to integer value as 'x'",
    }
    return [
        (
            f"{make.__name__}: url {url}",
            EMBEDDING,
            make({"url": url}),
            SETTINGS,
            bad_url(url.replace("user:pw", "***"), reason),
        )
        for make in (openai, hugging_face)
        for url, reason in reasons.items()
    ]


def of_chunking() -> list[Case]:
    """`chunking_settings`, by the pages' bounds and Elasticsearch's words."""

    def words(problem: str, **values: object) -> tuple[str, TaskType, Any, str, str]:
        return f"chunking {values}", EMBEDDING, chunked(openai, **values), SETTINGS, failed(problem)

    at_least, at_most = "must be greater than or equal to", "must be less than or equal to"
    return [
        ("chunking strategy", EMBEDDING, chunked(openai, strategy="fancy"), ARGUMENT, "Invalid chunkingStrategy fancy"),
        (
            "chunking is a list",
            EMBEDDING,
            openai(chunking_settings=[1]),
            SETTINGS,
            of_type("chunking_settings", "[1]", "Map"),
        ),
        words(f"{CHUNKING} Invalid value [19.0]. [max_chunk_size] {at_least} [20.0]", max_chunk_size=19),
        words(f"{CHUNKING} Invalid value [301.0]. [max_chunking_size] {at_most} [300.0]", max_chunking_size=301),
        words(
            f"{CHUNKING} Invalid value [9.0]. [max_chunk_size] {at_least} [10.0]",
            strategy="word",
            max_chunk_size=9,
            overlap=1,
        ),
        words(f"{CHUNKING} Invalid value [0]. [max_chunk_size] must be a positive integer", max_chunk_size=0),
        words(
            f"{CHUNKING} Invalid value [51.0]. [overlap] {at_most} [50.0]",
            strategy="word",
            max_chunk_size=100,
            overlap=51,
        ),
        words("sentence_overlap[2] must be either 0 or 1", sentence_overlap=2),
        words("Sentence based chunking settings can not have the following settings: [overlap]", overlap=1),
        words(
            "Word based chunking settings can not have the following settings: [sentence_overlap]",
            strategy="word",
            max_chunk_size=200,
            sentence_overlap=1,
        ),
        (
            "chunking of a completion is checked too",
            COMPLETION,
            chunked(openai, strategy="sentence", max_chunk_size=19),
            SETTINGS,
            failed(f"{CHUNKING} Invalid value [19.0]. [max_chunk_size] {at_least} [20.0]"),
        ),
    ]


def of_max_input_tokens() -> list[Case]:
    """A positive integer, of what embeds; sparse vectors have Elasticsearch's own."""
    name = "max_input_tokens"
    makes = (openai, hugging_face)
    found: list[Case] = []
    for make in makes:
        found += [
            (f"{make.__name__}: {name} {value}", EMBEDDING, make({name: value}), SETTINGS, told)
            for value, told in (
                (0, positive(name, 0)),
                (-1, positive(name, -1)),
                (2**31, of_type(name, "2147483648", "Integer")),
                ("8", of_type(name, "8", "Integer")),
                (1.5, of_type(name, "1.5", "Integer")),
                (True, of_type(name, "true", "Integer")),
            )
        ]
        left = unknown(f"{{{name}=8}}", make.__name__)
        found.append((f"{make.__name__}: {name} of a completion", COMPLETION, make({name: 8}), STATUS, left))
    left = unknown(f"{{{name}=8}}", "hugging_face")
    found.append((f"{name} of sparse vectors", TaskType.SPARSE_EMBEDDING, hugging_face({name: 8}), STATUS, left))
    return found


CASES: list[Case] = [
    *of_every_service(),
    *of_url(),
    *of_chunking(),
    ("no task type", None, openai(), STATUS, "model is missing required setting [task_type]"),
    ("task type any", None, openai(task_type="any"), STATUS, "task_type [any] is not valid type for inference"),
    ("task type unknown", None, openai(task_type="dance"), STATUS, "Unknown task_type [dance]"),
    ("task type a number", None, openai(task_type=5), SETTINGS, of_type("task_type", "5", "String")),
    (
        "no service",
        EMBEDDING,
        {"service_settings": {}},
        STATUS,
        "Inference endpoint configuration is missing the [service] setting",
    ),
    ("unknown service", EMBEDDING, {"service": "acme", "service_settings": {}}, STATUS, "Unknown service [acme]"),
    (
        "service in another case",
        EMBEDDING,
        {"service": "OpenAI", "service_settings": {}},
        STATUS,
        "Unknown service [OpenAI], did you mean [openai]",
    ),
    (
        "service is an object",
        EMBEDDING,
        {"service": {"a": 1}, "service_settings": {}},
        STATUS,
        "Unknown service [{a=1}]",
    ),
    (
        "elasticsearch completes nothing",
        COMPLETION,
        elasticsearch(),
        STATUS,
        "The [elasticsearch] service does not support task type [completion]",
    ),
    ("dimensions 0", EMBEDDING, openai({"dimensions": 0}), SETTINGS, positive("dimensions", 0)),
    ("dimensions -1", EMBEDDING, openai({"dimensions": -1}), SETTINGS, positive("dimensions", -1)),
    ("dimensions text", EMBEDDING, openai({"dimensions": "128"}), SETTINGS, of_type("dimensions", "128", "Integer")),
    ("dimensions 1.5", EMBEDDING, openai({"dimensions": 1.5}), SETTINGS, of_type("dimensions", "1.5", "Integer")),
    ("dimensions true", EMBEDDING, openai({"dimensions": True}), SETTINGS, of_type("dimensions", "true", "Integer")),
    *of_max_input_tokens(),
    ("dimensions of a completion", COMPLETION, openai({"dimensions": 5}), STATUS, unknown("{dimensions=5}", "openai")),
    ("similarity", EMBEDDING, openai({"similarity": "near"}), SETTINGS, one_of("similarity", "near", SIMILARITIES)),
    (
        "similarity in capitals",
        EMBEDDING,
        openai({"similarity": "COSINE"}),
        SETTINGS,
        one_of("similarity", "COSINE", SIMILARITIES),
    ),
    ("similarity a number", EMBEDDING, openai({"similarity": 1}), SETTINGS, of_type("similarity", "1", "String")),
    ("organization empty", EMBEDDING, openai({"organization_id": ""}), SETTINGS, empty("organization_id")),
    ("user empty", COMPLETION, openai(task_settings={"user": ""}), SETTINGS, empty("user", OPTIONS)),
    ("user a number", COMPLETION, openai(task_settings={"user": 1}), SETTINGS, of_type("user", "1", "String")),
    (
        "headers empty",
        EMBEDDING,
        openai(task_settings={"headers": {}}),
        SETTINGS,
        failed(f"{OPTIONS} Invalid value empty map. [headers] must be a non-empty map"),
    ),
    (
        "headers of numbers",
        EMBEDDING,
        openai(task_settings={"headers": {"x": 1}}),
        SETTINGS,
        failed(
            "Map field [headers] has an entry that is not valid, [x => 1]. Value type of [1] is not one of [String]."
        ),
    ),
    (
        "hugging_face has no dimensions",
        EMBEDDING,
        hugging_face({"dimensions": 3}),
        STATUS,
        unknown("{dimensions=3}", "hugging_face"),
    ),
    (
        "hugging_face has no model_id",
        EMBEDDING,
        hugging_face({"model_id": "m"}),
        STATUS,
        unknown("{model_id=m}", "hugging_face"),
    ),
    (
        "threads 3",
        EMBEDDING,
        elasticsearch({"num_threads": 3}),
        SETTINGS,
        one_of("num_threads", 3, "1, 2, 4, 8, 16, 32"),
    ),
    ("threads 0", EMBEDDING, elasticsearch({"num_threads": 0}), SETTINGS, positive("num_threads", 0)),
    ("allocations 0", EMBEDDING, elasticsearch({"num_allocations": 0}), SETTINGS, positive("num_allocations", 0)),
    (
        "allocations 65",
        EMBEDDING,
        elasticsearch({"num_allocations": 65}),
        SETTINGS,
        failed(f"{SERVICE} Invalid value [65.0]. [num_allocations] must be less than or equal to [64.0]"),
    ),
    (
        "no rate limit for our own models",
        EMBEDDING,
        elasticsearch({"rate_limit": {"requests_per_minute": 1}}),
        STATUS,
        unknown("{rate_limit={requests_per_minute=1}}", "elasticsearch"),
    ),
    (
        "truncate",
        EMBEDDING,
        elasticsearch(task_settings={"truncate": "start"}),
        SETTINGS,
        one_of("truncate", "start", "end, none", OPTIONS),
    ),
    (
        "everything at once",
        EMBEDDING,
        {
            "service": "openai",
            "service_settings": {"dimensions": 0, "url": "x"},
            "task_settings": {"user": 1},
            "chunking_settings": {"max_chunk_size": 5},
            "more": 1,
        },
        SETTINGS,
        failed(
            f"{SERVICE} does not contain the required setting [model_id]",
            f"{SERVICE} Invalid url [x] received for field [url]."
            " Error: unable to parse url [x]. Reason: the scheme must be http or https",
            f"{SERVICE} Invalid value [0]. [dimensions] must be a positive integer",
            "field [user] is not of the expected type. The value [1] cannot be converted to a [String]",
            f"{CHUNKING} Invalid value [5.0]. [max_chunk_size] must be greater than or equal to [20.0]",
        ),
    ),
]


@pytest.mark.parametrize(
    ("kind", "config", "name", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_wrong_configuration_has_elasticsearchs_exact_words(
    world: World, kind: TaskType | None, config: Any, name: str, reason: str | None
) -> None:
    """Status, type and reason are Elasticsearch's, no secret is among them, nothing is asked, nothing is stored."""
    with pytest.raises(InferenceError) as caught:
        world.create("e", kind, config)
    status, type_, said = told(caught.value)
    assert (status, type_) == (400, name)
    assert reason is None or elasticsearchs(said) == reason
    assert SECRET not in str(envelope(caught.value, trace=True))
    assert world.provider.calls == []
    assert world.run(world.store.all()) == []


@pytest.mark.parametrize("inference_id", ["A", "a b", "_a", "a_", "-", ".a", "a.", "a/b", "é", "", "_all", "a\n", "*"])
def test_an_id_that_is_none_is_refused_before_the_body_is_looked_at(world: World, inference_id: str) -> None:
    """Ids are lower case letters, digits, dots, dashes and underscores between letters or digits."""
    with pytest.raises(InferenceError) as caught:
        world.create(inference_id, None, {})
    assert told(caught.value) == (
        400,
        REQUEST,
        failed(
            f"Invalid inference_id; '{inference_id}' can contain lowercase alphanumeric (a-z and 0-9), hyphens or"
            " underscores; must start and end with alphanumeric"
        ),
    )


@pytest.mark.parametrize("inference_id", ["a", "0", "a-b_c.d", "a" * 300])
def test_an_id_of_the_right_characters_is_taken(world: World, inference_id: str) -> None:
    """One character is enough, and there is no longest id."""
    assert world.create(inference_id, EMBEDDING, openai()).endpoint.inference_id == inference_id


def test_a_duplicate_is_refused_without_a_call(world: World) -> None:
    """The second endpoint of an id costs nothing and changes nothing."""
    world.create("e", EMBEDDING, openai({"model_id": "first"}))
    asked = len(world.provider.calls)
    with pytest.raises(InferenceError) as caught:
        world.create("e", COMPLETION, openai({"model_id": "second"}))
    assert told(caught.value) == (400, "resource_already_exists_exception", "Inference endpoint [e] already exists")
    assert len(world.provider.calls) == asked
    assert world.get("e")["service_settings"]["model_id"] == "first"


def test_a_provider_that_refuses_the_trial_is_quoted_and_nothing_is_stored(make_world: Callable[..., World]) -> None:
    """The validation call's failure is a 400 with the provider's own words as its cause, without our key."""
    world = make_world(lambda _: json_reply({"error": {"message": f"Incorrect API key provided: {SECRET}"}}, 401))
    with pytest.raises(InferenceError) as caught:
        world.create("e", EMBEDDING, openai())
    said = envelope(caught.value)
    cause = {
        "type": STATUS,
        "reason": "Received an authentication error status code for request from inference entity id [e] status [401]."
        " Error message: [Incorrect API key provided: ***]",
    }
    assert said == {
        "error": {
            "root_cause": [cause],
            "type": STATUS,
            "reason": (
                "Could not complete inference endpoint creation as validation call to service threw an exception."
            ),
            "caused_by": cause,
        },
        "status": 400,
    }
    assert world.run(world.store.all()) == []
    with pytest.raises(InferenceError, match=r"Inference endpoint not found \[e\]"):
        world.get("e")


def test_vectors_of_another_length_than_was_asked_are_refused(world: World) -> None:
    """`dimensions` that the provider does not keep to is an error that says both numbers."""
    with pytest.raises(InferenceError) as caught:
        world.create("e", EMBEDDING, openai({"dimensions": 7}))
    assert told(caught.value) == (
        400,
        STATUS,
        "The retrieved embeddings size [3] does not match the size specified in the settings [7]."
        " Please recreate the [e] configuration with the correct dimensions",
    )
    assert world.run(world.store.all()) == []


def test_what_the_trial_finds_is_shown(make_world: Callable[..., World]) -> None:
    """The length of the vectors and how they compare are filled in, with the service's default rate."""
    world = make_world()
    assert world.create("a", EMBEDDING, openai()).shown() == {
        "inference_id": "a",
        "task_type": "text_embedding",
        "service": "openai",
        "service_settings": {
            "model_id": "m",
            "dimensions": 3,
            "similarity": "dot_product",
            "rate_limit": {"requests_per_minute": 3000},
        },
        "chunking_settings": {"strategy": "sentence", "max_chunk_size": 250, "sentence_overlap": 1},
    }
    shown = world.create("b", EMBEDDING, openai({"similarity": "l2_norm"})).shown()
    assert shown["service_settings"]["similarity"] == "l2_norm"
    shown = world.create("c", COMPLETION, openai(task_settings={"user": "u"})).shown()
    assert shown["service_settings"] == {"model_id": "m", "rate_limit": {"requests_per_minute": 500}}
    assert shown["task_settings"] == {"user": "u"}
    assert "chunking_settings" not in shown
    world.provider.answer = like_text_embeddings_inference
    shown = world.create("d", EMBEDDING, hugging_face()).shown()
    assert shown["service_settings"] == {
        "url": "https://tei.test/embed",
        "dimensions": 3,
        "similarity": "cosine",
        "rate_limit": {"requests_per_minute": 3000},
    }


def test_chunking_settings_are_shown_where_they_were_given(world: World) -> None:
    """A completion endpoint shows them only when they were given; each under the name it came with."""
    given = {"strategy": "word", "max_chunking_size": 200, "overlap": 0}
    assert world.create("a", COMPLETION, openai(chunking_settings=given)).shown()["chunking_settings"] == given
    assert world.create("b", EMBEDDING, openai(chunking_settings=given)).shown()["chunking_settings"] == given


@pytest.mark.parametrize("where", ["the server", "the request"])
def test_validation_can_be_skipped(make_world: Callable[..., World], where: str) -> None:
    """Without a network an endpoint is kept untried, and nothing is made up about its vectors."""
    world = make_world(validate=where != "the server")
    made = world.create("e", EMBEDDING, openai(), validate=where != "the request")
    assert world.provider.calls == []
    assert "dimensions" not in made.shown()["service_settings"]
