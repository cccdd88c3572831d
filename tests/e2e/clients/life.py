"""The life of an endpoint through the official Python client, either major: a JSON report of what did not hold."""

import json
import sys
import traceback

import elasticsearch
from elasticsearch import ApiError, BadRequestError, Elasticsearch, NotFoundError

URL, PREFIX, EMBEDDER, MODEL = sys.argv[1:]
OPENAI = {"service": "openai", "service_settings": {"api_key": "sk-test", "model_id": "gpt-4o-mini"}}
HUGGING = {"service": "hugging_face", "service_settings": {"api_key": "hf", "url": MODEL + "/v1/chat/completions"}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
client = Elasticsearch(URL)
inference = client.inference


def raised(kind, act):
    """The exception of *kind* that *act* raises."""
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def made(name, task_type="completion", config=OPENAI):
    """The id of a new endpoint."""
    inference.put(task_type=task_type, inference_id=PREFIX + name, inference_config=config)
    return PREFIX + name


def is_known_as_elasticsearch():
    assert client.ping() is True
    info = client.info()
    assert info["version"]["number"].split(".")[0] in ("8", "9")
    assert info["tagline"] == "You Know, for Search"


def is_created_found_used_and_deleted():
    name = made("life")
    (found,) = inference.get(inference_id=name)["endpoints"]
    assert found["service_settings"] == {"model_id": "gpt-4o-mini", "rate_limit": {"requests_per_minute": 500}}
    assert inference.get(task_type="completion", inference_id=name)["endpoints"] == [found]
    assert found in inference.get()["endpoints"]
    of_type = inference.get(task_type="completion", inference_id="_all")["endpoints"]
    assert found in of_type
    assert {each["task_type"] for each in of_type} == {"completion"}
    for asked in ({"inference_id": name}, {"inference_id": name, "task_type": "completion"}):
        assert inference.inference(input="how big", **asked).body == {"completion": [{"result": "Very big."}]}
    assert inference.completion(inference_id=name, input="how big")["completion"][0]["result"] == "Very big."
    tried = inference.delete(inference_id=name, dry_run=True)
    assert tried["acknowledged"] is False
    assert found in inference.get()["endpoints"]
    assert inference.delete(inference_id=name, force=True)["acknowledged"] is True
    raised(NotFoundError, lambda: inference.get(inference_id=name))


def is_created_without_a_task_type_in_the_path():
    answered = inference.put(inference_id=PREFIX + "bare", inference_config={**OPENAI, "task_type": "completion"})
    assert answered["task_type"] == "completion"
    assert inference.delete(task_type="completion", inference_id=PREFIX + "bare")["acknowledged"]


def embeds_with_typed_methods():
    settings = {"api_key": "sk-test", "model_id": "text-embedding-3-small", "dimensions": 8}
    name = PREFIX + "openai"
    made = inference.put_openai(
        task_type="text_embedding", openai_inference_id=name, service="openai", service_settings=settings
    )
    assert made["service_settings"]["dimensions"] == 8
    assert made["service_settings"]["similarity"] == "dot_product"
    vectors = inference.text_embedding(inference_id=name, input=["one", "two"], input_type="search")["text_embedding"]
    assert [len(each["embedding"]) for each in vectors] == [8, 8]
    assert vectors[0] != vectors[1]
    name = PREFIX + "hugging"
    inference.put_hugging_face(
        task_type="text_embedding", huggingface_inference_id=name, service="hugging_face",
        service_settings={"api_key": "hf", "url": EMBEDDER},
    )  # fmt: skip
    answered = inference.inference(inference_id=name, input=["a"] * 40, timeout="20s")
    assert [each["embedding"] for each in answered["text_embedding"]] == [[0.6, 0.0, 0.8]] * 40


def has_each_inputs_own_error():
    settings = {"api_key": "hf", "url": EMBEDDER}
    name = made("partial", "text_embedding", {"service": "hugging_face", "service_settings": settings})
    body = {"input": ["a", "refused", "c"], "partial": True}
    answered = inference.text_embedding(inference_id=name, body=body)
    first, second, third = answered["text_embedding"]
    assert first == third == {"embedding": [0.6, 0.0, 0.8]}
    assert (second["status"], second["error"]["type"]) == (422, "status_exception")
    assert answered.meta.headers["x-inferpoint-failed"] == "1"
    headers = {"accept": "application/json", "content-type": "application/json"}
    again = client.perform_request(
        "POST", f"/_inference/{name}?partial", headers=headers, body={"input": body["input"]}
    )
    assert again.body == answered.body
    error = raised(ApiError, lambda: inference.text_embedding(inference_id=name, input=body["input"]))
    assert (error.meta.status, error.body["error"]["reason"][:11]) == (422, "Input [1]: ")


def is_updated():
    name = made("updated")
    new = {"service_settings": {"api_key": "sk-new"}, "task_settings": {"user": "somebody"}}
    changed = inference.update(task_type="completion", inference_id=name, inference_config=new)
    assert changed["task_settings"] == {"user": "somebody"}
    assert inference.get(inference_id=name)["endpoints"] == [changed]
    with_timeout = {"timeout": "20s"} if elasticsearch.VERSION >= (9, 5) else {}
    again = inference.update(inference_id=name, inference_config={**new, "task_type": "completion"}, **with_timeout)
    assert again == changed


def errors_are_the_clients_own():
    error = raised(NotFoundError, lambda: inference.inference(inference_id=PREFIX + "none", input="x"))
    assert error.body["error"]["type"] == "resource_not_found_exception"
    assert f"Inference endpoint not found [{PREFIX}none]" in str(error)
    name = made("twice")
    error = raised(BadRequestError, lambda: made("twice"))
    assert error.error == "resource_already_exists_exception"
    config = {"service": "anthropic", "service_settings": {"rate_limit": {"requests_per_minute": 0}}}
    error = raised(BadRequestError, lambda: made("wrong", config=config))
    assert error.error == "validation_exception"
    assert "1: [secret_settings] does not contain the required setting [api_key];2: " in str(error)
    error = raised(ApiError, lambda: inference.completion(inference_id=name, input="wrong key"))
    assert (error.meta.status, error.meta.headers["x-elastic-product"]) == (401, "Elasticsearch")
    error = raised(ApiError, lambda: client.perform_request("GET", "/_search", headers={"accept": "application/json"}))
    assert "no handler found for uri [/_search] and method [GET]" in str(error)


def opaque_ids_come_back():
    answered = client.options(opaque_id="mine").inference.get()
    assert answered.meta.headers["x-opaque-id"] == "mine"
    error = raised(NotFoundError, lambda: client.options(opaque_id="lost").inference.get(inference_id=PREFIX + "none"))
    assert error.meta.headers["x-opaque-id"] == "lost"


def bodies_may_be_compressed():
    with Elasticsearch(URL, http_compress=True) as packed:
        name = PREFIX + "packed"
        packed.inference.put(task_type="completion", inference_id=name, inference_config=OPENAI)
        assert packed.inference.completion(inference_id=name, input="how big")["completion"]


def streams_as_text():
    name = made("streamed")
    headers = {"accept": "text/event-stream", "content-type": "application/json"}
    path = f"/_inference/completion/{name}/_stream"
    text = client.perform_request("POST", path, headers=headers, body={"input": "how big"}).body
    assert text == 'event: message\ndata: {"completion":[{"delta":"Very big."}]}\n\nevent: message\ndata: [DONE]\n\n'


def ranks_and_weighs():
    settings = {"api_key": "hf", "url": EMBEDDER + "/rerank"}
    name = made("ranked", "rerank", {"service": "hugging_face", "service_settings": settings})
    found = inference.rerank(inference_id=name, query="q", input=["a", "b"])["rerank"]
    assert found == [{"index": 1, "relevance_score": 1.0}, {"index": 0, "relevance_score": 0.5}]
    best = inference.rerank(inference_id=name, query="q", input=["a", "b"], task_settings={"top_n": 1})["rerank"]
    assert best == found[:1]
    settings = {"api_key": "hf", "url": EMBEDDER + "/embed_sparse"}
    name = made("sparse", "sparse_embedding", {"service": "hugging_face", "service_settings": settings})
    found = inference.sparse_embedding(inference_id=name, input=["ab", "abc"])["sparse_embedding"]
    weights = [{"2": 0.5}, {"3": 0.5}]
    assert found == [{"is_truncated": False, "embedding": each} for each in weights]


def chats_with_tools():
    headers = {"accept": "text/event-stream", "content-type": "application/json"}
    for service, config in (("openai", OPENAI), ("hugging", HUGGING)):
        name = made(service + "chat", "chat_completion", config)
        body = {"messages": [{"role": "user", "content": "what is the weather?"}], "tools": [TOOL]}
        path = f"/_inference/chat_completion/{name}"
        whole = client.perform_request("POST", path, headers={**headers, "accept": "application/json"}, body=body).body
        said = whole["choices"][0]["message"]
        assert [call["id"] for call in said["tool_calls"]] == ["call_1", "call_2"]
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "rain"} for call in said["tool_calls"]]
        body["messages"] += [said, *results]
        text = client.perform_request("POST", path + "/_stream", headers=headers, body=body).body
        *chunks, done = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]
        chunks = [json.loads(chunk) for chunk in chunks]
        assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
        texts = [choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"]]
        assert ("".join(texts), done) == ("It rains in Oslo.", "[DONE]")


def embeds_contents():
    config = {"service": "openai", "service_settings": {"api_key": "sk-test", "model_id": "text-embedding-3-small"}}
    name = made("contents", "embedding", config)
    headers = {"accept": "application/json", "content-type": "application/json"}
    body = {"input": [{"content": {"type": "text", "value": "one"}}, "two"]}
    found = client.perform_request("POST", f"/_inference/embedding/{name}", headers=headers, body=body).body
    assert len(found["embeddings"]) == 2


def lists_services():
    found = client.perform_request("GET", "/_inference/_services", headers={"accept": "application/json"}).body
    assert {"openai", "hugging_face", "elasticsearch"} <= {each["service"] for each in found}
    path = "/_inference/_services/completion"
    found = client.perform_request("GET", path, headers={"accept": "application/json"}).body
    assert all("completion" in each["task_types"] for each in found)


def credentials_are_taken():
    for given in ({"api_key": "aWQ6a2V5"}, {"basic_auth": ("user", "password")}, {"bearer_auth": "token"}):
        with Elasticsearch(URL, **given) as other:
            assert other.ping() is True


report = {}
parts = [value for name, value in list(globals().items()) if callable(value) and value.__module__ == "__main__"]
for part in parts:
    if part not in (raised, made):
        try:
            part()
            report[part.__name__] = None
        except Exception:  # noqa: BLE001 - whatever went wrong is what is reported
            report[part.__name__] = traceback.format_exc()
client.close()
print(json.dumps(report))
