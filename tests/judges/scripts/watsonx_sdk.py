"""The ibm-watsonx-ai SDK, by the classes of its foundation models."""

from collections.abc import Iterator

import httpx
from ibm_watsonx_ai import APIClient, Credentials
from ibm_watsonx_ai.foundation_models import Embeddings, ModelInference, Rerank
from judging import Exchange, run

OPTIONS = ("max_tokens", "stop", "temperature", "top_p")
CHOICES = ("tools", "tool_choice", "tool_choice_option")


class Rerouted(httpx.HTTPTransport):
    """Takes every call to the stand-in, since the SDK calls no other addresses than IBM's and none without TLS."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = httpx.URL(address)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST":
            return httpx.Response(200, json={"entity": {"storage": {"type": "bmcos_object_storage"}}})  # the project
        request.url = request.url.copy_with(scheme="http", host=self.address.host, port=self.address.port)
        return super().handle_request(request)


def arguments(asked: Exchange) -> dict:
    host = asked.settings["url"].removeprefix("https://")
    client = APIClient(
        Credentials(url=f"https://{host}", token=asked.key),
        httpx_client=httpx.Client(transport=Rerouted(asked.address)),
        scope_validation=False,
    )
    client.version_param = asked.settings["api_version"]
    client.set.default_project(asked.body["project_id"])
    return {"model_id": asked.body["model_id"], "api_client": client, "params": asked.body.get("parameters")}


def chat(asked: Exchange) -> dict:
    params = {name: asked.body[name] for name in OPTIONS if name in asked.body}
    model = ModelInference(**{**arguments(asked), "params": params}, validate=False)
    choices = {name: asked.body[name] for name in CHOICES if name in asked.body}
    if "chat_stream" in asked.path:
        return streamed(model.chat_stream(asked.body["messages"], **choices))
    answer = model.chat(asked.body["messages"], **choices)
    message = answer["choices"][0]["message"]
    return {"text": message["content"], "tool_calls": called(message), **cost(answer["usage"])}


def streamed(chunks: Iterator[dict]) -> dict:
    meaning = {"text": "", "tool_calls": []}
    for chunk in chunks:
        for choice in chunk["choices"]:
            meaning["text"] += choice["delta"].get("content") or ""
            meaning["tool_calls"] += called(choice["delta"])
        meaning.update(cost(chunk["usage"]) if chunk.get("usage") else {})
    return meaning


def called(message: dict) -> list:
    calls = message.get("tool_calls") or ()
    return [[call["id"], call["function"]["name"], call["function"]["arguments"]] for call in calls]


def cost(usage: dict) -> dict:
    return {"input": usage["prompt_tokens"], "output": usage["completion_tokens"]}


def embed(asked: Exchange) -> dict:
    answer = Embeddings(**arguments(asked)).generate(asked.body["inputs"])
    return {"embeddings": [row["embedding"] for row in answer["results"]], "input": answer["input_token_count"]}


def rerank(asked: Exchange) -> dict:
    texts = [row["text"] for row in asked.body["inputs"]]
    answer = Rerank(**arguments(asked)).generate(asked.body["query"], texts)
    ranked = [[row["index"], row["score"]] for row in answer["results"]]
    return {"ranked": ranked, "input": answer["input_token_count"]}


run({"chat_completion": chat, "completion": chat, "text_embedding": embed, "rerank": rerank})
