"""What a user may say of a provider, and what becomes of it when a request is filled in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from played import answered, endpoint, refused, reply, told
from world import World, json_reply

from inferpoint.endpoints.resolved import Resolved
from inferpoint.engine.preflight import prepared
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import Element, TaskType
from inferpoint.model.http import Call
from inferpoint.model.requests import Documents, InferenceRequest, InputType
from inferpoint.model.results import Completion, Embeddings, Ranking, SparseEmbeddings

SECRET = "canary-of-a-secret"
EMBEDDING, SPARSE, RERANK, COMPLETION = (
    TaskType.TEXT_EMBEDDING,
    TaskType.SPARSE_EMBEDDING,
    TaskType.RERANK,
    TaskType.COMPLETION,
)
PARSERS: Mapping[TaskType, Mapping[str, str]] = {
    EMBEDDING: {"text_embeddings": "$.data[*].embedding"},
    SPARSE: {"token_path": "$.rows[*].tokens[*].id", "weight_path": "$.rows[*].tokens[*].w"},
    RERANK: {"relevance_score": "$.rows[*].score", "reranked_index": "$.rows[*].index"},
    COMPLETION: {"completion_result": "$.choices[*].text"},
}


def settings(kind: TaskType = EMBEDDING, parser: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "secret_parameters": {"api_key": SECRET},
        "url": "https://provider.test/v1",
        "headers": {"Authorization": "Bearer ${api_key}"},
        "request": '{"input": ${input}}',
        "response": {"json_parser": PARSERS[kind] if parser is None else parser},
        **more,
    }


def model(kind: TaskType = EMBEDDING, parameters: Mapping[str, Any] | None = None, **more: Any) -> Resolved:
    options = {} if parameters is None else {"parameters": parameters}
    return endpoint(kind, "custom", settings(kind, **more), options)


def called(resolved: Resolved, *texts: str, input_type: InputType | None = None, **parameters: Any) -> Call:
    options = {"parameters": parameters} if parameters else {}
    request = InferenceRequest(texts or ("hi",), input_type, options=options)
    ready = prepared(resolved, request, None)
    return ready.task.encode(request, ready.endpoint.settings, ready.endpoint.options, "")


def problem(act: Callable[[], Any]) -> str:
    with pytest.raises(InferenceError) as caught:
        act()
    return str(caught.value)


def config(kind: TaskType, changed: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    given = {name: value for name, value in (settings(kind) | changed).items() if value is not None}
    return {"service": "custom", "service_settings": given, "task_settings": options}


@pytest.mark.parametrize("text", ["${api_key}", "${nobody}", "${input}", "$${api_key}", '"}, ${api_key}, {"'])
def test_an_input_is_never_a_template(text: str) -> None:
    """Whatever it looks like, it goes as it is, and no secret is put into it."""
    call = called(model(), text)
    assert json.loads(call.body) == {"input": [text]}
    assert SECRET.encode() not in call.body


def test_a_parameter_is_never_a_template() -> None:
    """What was filled in is not looked through again, in no field."""
    resolved = model(headers={"x-a": "${p}"}, query_parameters=[["q", "${p}"]], request="[${p}, ${input}]")
    call = called(resolved, p="${api_key}")
    assert json.loads(call.body) == ["${api_key}", ["hi"]]
    assert call.headers["x-a"] == "${api_key}"
    assert call.url == "https://provider.test/v1?q=%24%7Bapi_key%7D"


def test_values_are_written_as_their_field_has_them() -> None:
    """JSON in the body, encoded in the address, as they are in headers."""
    more = {"url": "https://p.test/${team}/e?v=${team}", "query_parameters": [["a b", "${team}"]]}
    resolved = model(headers={"X-Team": "${team}", "x-n": "${n}"}, request="[${team}, ${n}, ${x}, ${b}]", **more)
    call = called(resolved, team='a "b"?#~', n=3, x=0.5, b=False)
    assert json.loads(call.body) == ['a "b"?#~', 3, 0.5, False]
    assert call.headers["x-team"] == 'a "b"?#~'
    assert call.headers["x-n"] == "3"
    assert call.url == "https://p.test/a%20%22b%22%3F%23~/e?v=a%20%22b%22%3F%23~&a+b=a+%22b%22%3F%23%7E"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"request": "${nobody}"}, "request"),
        ({"url": "https://p.test/${nobody}"}, "url"),
        ({"url": "https://p.test/${input}"}, "url"),
        ({"headers": {"x-a": "${nobody}"}}, "header.x-a"),
        ({"query_parameters": [["q", "${nobody}"]]}, "query parameters: [q]"),
    ],
)
def test_a_placeholder_without_a_value(more: Mapping[str, Any], field: str) -> None:
    """The template's field and the placeholder are named."""
    name = "input" if "input" in str(more.get("url")) else "nobody"
    assert problem(lambda: called(model(**more))) == (
        f"Found placeholder [${{{name}}}] in field [{field}] after replacement call,"
        " please check that all templates have a corresponding field definition."
    )


@pytest.mark.parametrize(
    ("more", "value", "reason"),
    [
        ({"url": "https://p.test/a/${p}/b"}, "../../admin", "[url] is no part of an address: it leads out of its path"),
        ({"url": "https://p.test/a/${p}"}, "..", "[url] is no part of an address: it leads out of its path"),
        ({"headers": {"x-a": "${p}"}}, "a\r\nhost: evil.test", "[header.x-a] cannot be written as a header"),
    ],
)
def test_what_is_filled_in_leads_nowhere_else(more: Mapping[str, Any], value: str, reason: str) -> None:
    """A request's parameters change neither the path before them nor the headers beside them."""
    assert problem(lambda: called(model(**more), p=value)) == f"What is filled in in field {reason}"


@pytest.mark.parametrize(
    "url",
    ["${url}", "https://${host}/v1", "https://provider.test${path}", "${scheme}://a.test", "https://a.test:${p}/"],
)
def test_nothing_is_filled_in_where_secrets_go(url: str) -> None:
    """Who may ask could else have the secrets sent to a place of their own."""
    answer = refused(EMBEDDING, config(EMBEDDING, {"url": url}))
    assert answer is not None
    assert answer[2].endswith("Reason: scheme and host must be written out, for secrets go there;")


@pytest.mark.parametrize(
    ("kind", "changed", "options", "reason"),
    [
        (EMBEDDING, {"url": None}, {}, "[service_settings] does not contain the required setting [url]"),
        (EMBEDDING, {"request": None}, {}, "[service_settings] does not contain the required setting [request]"),
        (EMBEDDING, {"response": None}, {}, "[service_settings] does not contain the required setting [response]"),
        *((kind, {"response": {"json_parser": {"nothing": "$"}}}, {}, "settings contain unknown entries [{nothing=$}]")
          for kind in PARSERS),
        *((kind, {"response": {"json_parser": dict.fromkeys(parser, "data")}}, {}, "must start with a dollar sign ($)")
          for kind, parser in PARSERS.items()),
        (COMPLETION, {"response": {"json_parser": {"completion_result": "$.a[0]"}}}, {}, "Path [$.a[0]] must be"),
        (COMPLETION, {"response": {"json_parser": {"completion_result": "$..a"}}}, {}, "Path [$..a] must be"),
        (EMBEDDING, {"secret_parameters": {"a": 1}}, {},
         "Map field [secret_parameters] has an entry that is not valid. Value type is not one of [String]."),
        (EMBEDDING, {"secret_parameters": {"a": "***"}}, {}, "[a] of [secret_parameters] is masked"),
        (EMBEDDING, {"headers": {"Authorization": "Bearer abc"}}, {}, "keys belong in secret settings"),
        (EMBEDDING, {"headers": {"host": "${a}"}}, {}, "[host], which belongs to the connection"),
        (EMBEDDING, {"query_parameters": [["a"]]}, {}, "[[a]] cannot be converted to a [pair of Strings]"),
        (EMBEDDING, {"query_parameters": {"a": "b"}}, {}, "cannot be converted to a [List]"),
        (EMBEDDING, {"batch_size": 0}, {}, "[batch_size] must be a positive integer"),
        (EMBEDDING, {"input_type": {"translation": {"ingset": "d"}}}, {}, "contain unknown entries [{ingset=d}]"),
        (EMBEDDING, {}, {"parameters": {"a": [1]}},
         "Map field [parameters] has an entry that is not valid, [a => [1]]."
         " Value type of [[1]] is not one of [Boolean, Double, Float, Integer, String]."),
        (EMBEDDING, {}, {"parameters": {"a": 2**31}}, "is not one of [Boolean, Double, Float, Integer, String]."),
        (EMBEDDING, {}, {"parameters": {"api_key": "x"}}, "must not have the names of secret parameters [api_key]"),
    ],
)  # fmt: skip
def test_settings_that_are_wrong(
    kind: TaskType, changed: Mapping[str, Any], options: Mapping[str, Any], reason: str
) -> None:
    """Each by its name and what is allowed, before any call; a secret's value is not told."""
    answer = refused(kind, config(kind, changed, **options))
    assert answer is not None
    assert answer[0] == 400
    assert reason in answer[2]
    assert SECRET not in answer[2]


def test_a_request_sets_parameters_but_no_secret() -> None:
    """Its own go over those of the endpoint, of which the others stay."""
    resolved = model(parameters={"model": "m", "size": 1}, request="[${model}, ${size}]")
    assert json.loads(called(resolved, size=2).body) == ["m", 2]
    assert "must not have the names of secret parameters" in problem(lambda: called(resolved, api_key="mine"))


def test_secrets_are_shown_nowhere(make_world: Callable[..., World]) -> None:
    """Templates are shown, with the names of what is filled in; what a provider quotes is hidden."""
    world = make_world(lambda _: json_reply({"error": f"bad key {SECRET}"}, 401), validate=False)
    shown = world.create(
        "e", EMBEDDING, config(EMBEDDING, {"headers": {"authorization": "${api_key}", "x": "in-the-open"}})
    )
    assert shown.shown()["service_settings"]["headers"] == {"authorization": "${api_key}", "x": "***"}
    assert SECRET not in repr(shown.endpoint) + json.dumps(shown.shown())
    with pytest.raises(InferenceError) as caught:
        world.infer("e", "x")
    assert "Error message: [bad key ***]" in told(caught.value)[2]
    world.update("e", {"service_settings": {"secret_parameters": {"api_key": "another-one"}}})
    with pytest.raises(InferenceError):
        world.infer("e", "x")
    assert world.provider.calls[-1].headers["authorization"] == "another-one"


@pytest.mark.parametrize(
    ("purpose", "word"),
    [(None, ""), (InputType.INGEST, "document"), (InputType.SEARCH, ""), (InputType.CLUSTERING, "cluster")],
)
def test_purposes_in_the_providers_words(purpose: InputType | None, word: str) -> None:
    """The translation, or else the default, which may be empty."""
    purposes = {"translation": {"ingest": "document", "clustering": "cluster"}, "default": ""}
    resolved = model(request="${input_type}", input_type=purposes)
    assert json.loads(called(resolved, input_type=purpose).body) == word


def test_a_ranking_is_asked_for_as_the_request_wants() -> None:
    """The request's members are there when it has them; a parameter of the same name is what is usual."""
    resolved = model(RERANK, {"top_n": 5, "return_documents": False}, request="[${top_n}, ${return_documents}]")

    def asked(**more: Any) -> Any:
        request = InferenceRequest(Documents("q", ("a",), **more))
        return json.loads(resolved.task.encode(request, resolved.endpoint.settings, resolved.endpoint.options, "").body)

    assert asked() == [5, False]
    assert asked(top_n=1, return_documents=True) == [1, True]


ANSWERS: list[tuple[TaskType, Any, str]] = [
    (EMBEDDING, {}, "the path [$.data[*].embedding] found nothing: Unable to find field [data] in map"),
    (EMBEDDING, {"data": {}}, "the path [$.data[*].embedding] found no list: the current object is a [Map]"),
    (
        EMBEDDING,
        {"data": [{}]},
        "the path [$.data[*].embedding] found nothing: Unable to find field [embedding] in map",
    ),
    (COMPLETION, {"choices": "x"}, "the path [$.choices[*].text] found no list: the current object is a [String]"),
    (COMPLETION, {"choices": [None]}, "the path [$.choices[*].text] found nothing: Unable to find field [text] in map"),
    (COMPLETION, {"choices": []}, "it has no completion"),
    (SPARSE, {"rows": [{"tokens": [{"id": 1}]}]}, "the path [$.rows[*].tokens[*].w] found nothing"),
    (RERANK, {"rows": [{"score": 1}]}, "the path [$.rows[*].index] found nothing: Unable to find field [index] in map"),
]


@pytest.mark.parametrize(("kind", "body", "reason"), ANSWERS)
def test_answers_without_what_the_paths_lead_to(kind: TaskType, body: Any, reason: str) -> None:
    """The path that found nothing is named, and what of it was missing."""
    with pytest.raises(InferenceError) as caught:
        answered(model(kind), reply(body), "x")
    assert caught.value.kind is Kind.UNREADABLE
    assert reason in str(caught.value)


def test_sparse_lists_that_differ() -> None:
    """Their sizes are told; the other texts have their weights."""
    resolved = model(SPARSE, parser={"token_path": "$.t", "weight_path": "$.w"})
    found = answered(resolved, reply({"t": [["a"], ["b", "c"]], "w": [[1], [2]]}), "x", "y")
    assert isinstance(found, SparseEmbeddings)
    assert found.weights[0] == ({"a": 1.0}, False)
    assert str(found.errors[1]).endswith(
        "The extracted tokens list is size [2] but the weights list is size [1]. The list sizes must be equal."
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("$.data[*].embedding[*]", {"data": [{"embedding": [1]}, {"embedding": [2]}]}),
        ("$.data[*].embedding", {"data": [{"embedding": [1]}, {"embedding": [2]}]}),
        ("$.vectors", {"vectors": [[1], [2]]}),
        ("$.vectors[*]", {"vectors": [[1], [2]]}),
        ("$.vectors[*][*]", {"vectors": [[1], [2]]}),
        ("$", [[1], [2]]),
        ("$[*].my-field.0", [{"my-field": {"0": [1]}}, {"my-field": {"0": [2]}}]),
    ],
)
def test_paths_of_vectors(path: str, body: Any) -> None:
    """Lists in lists, with and without the last list in the path."""
    found = answered(model(parser={"text_embeddings": path}), reply(body), "x", "y")
    assert isinstance(found, Embeddings)
    assert found.numbers() == [[1], [2]]


@pytest.mark.parametrize(("kind", "element"), [("float", Element.FLOAT), ("bit", Element.BIT), ("binary", Element.BIT)])
def test_types_of_vectors(kind: str, element: Element) -> None:
    """Bits have two names."""
    assert model(parser={"text_embeddings": "$", "embedding_type": kind}).element is element


def test_fewer_documents_than_were_sent() -> None:
    """How many are answered may be said in a template; a place that nobody sent is refused."""
    request = InferenceRequest(Documents("q", ("a", "b")))
    resolved = model(RERANK)

    def ranked(*rows: tuple[int, float]) -> Any:
        body = {"rows": [{"index": index, "score": score} for index, score in rows]}
        return resolved.task.decode(reply(body), request, resolved.endpoint.settings, resolved.endpoint.options)

    found = ranked((1, 0.5))
    assert isinstance(found, Ranking)
    assert [(document.index, document.score) for document in found.ranked] == [(1, 0.5)]
    assert "does not rank each" in problem(lambda: ranked((2, 0.5)))


def test_a_completion_takes_one_input() -> None:
    """Elasticsearch sends the first of several and says nothing of the others."""
    assert "only accepts 1 input" in problem(lambda: called(model(COMPLETION), "a", "b"))
    found = answered(model(COMPLETION), reply({"choices": [{"text": "a"}, {"text": "b"}]}))
    assert isinstance(found, Completion)
    assert [choice.text for choice in found.choices] == ["a", "b"]
