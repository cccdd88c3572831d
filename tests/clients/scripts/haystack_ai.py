"""haystack-ai."""

from asking import PERSON, QUESTION, SCHEMA, STORY, WEATHER, Asked, answered, kind, run
from haystack.components.embedders import OpenAITextEmbedder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import Tool
from haystack.utils import Secret

KEY = Secret.from_token("none")
TOOL = Tool(
    name="weather",
    description="The weather in a city.",
    parameters=WEATHER["function"]["parameters"],
    function=lambda city: answered({"city": city}),
)


def client(asked: Asked, **more: object) -> OpenAIChatGenerator:
    return OpenAIChatGenerator(api_key=KEY, model=asked.chat, api_base_url=f"{asked.url}/v1", max_retries=0, **more)


def whole(asked: Asked) -> str:
    said = client(asked).run([ChatMessage.from_user(STORY)])["replies"][0]
    assert said.meta["usage"]["total_tokens"] >= 0
    return said.text


def stream(asked: Asked) -> str:
    pieces = []
    said = client(asked, streaming_callback=lambda chunk: pieces.append(chunk.content or ""))
    text = said.run([ChatMessage.from_user(STORY)])["replies"][0].text
    assert "".join(pieces) == text
    return text


def tools(asked: Asked) -> str:
    model = client(asked, tools=[TOOL])
    messages = [ChatMessage.from_user(QUESTION)]
    messages += model.run(messages)["replies"]
    messages += [ChatMessage.from_tool(answered(call.arguments), origin=call) for call in messages[-1].tool_calls]
    return model.run(messages)["replies"][0].text


def structured(asked: Asked) -> str:
    shape = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}}
    model = client(asked, generation_kwargs={"response_format": shape})
    return model.run([ChatMessage.from_user(PERSON)])["replies"][0].text


def errors(asked: Asked) -> list[str]:
    def say(model: OpenAIChatGenerator, text: str) -> None:
        model.run([ChatMessage.from_user(text)])

    return [
        kind(lambda: say(client(Asked(asked.url, "nobody", "nobody")), STORY)),
        kind(lambda: say(client(asked, generation_kwargs={"n": 2}), STORY)),
        kind(lambda: say(client(asked), "wrong key")),
        kind(lambda: say(client(asked, streaming_callback=lambda _: None), "broken off")),
    ]


def embeddings(asked: Asked) -> list[list[float]]:
    model = OpenAITextEmbedder(api_key=KEY, model=asked.embedding, api_base_url=f"{asked.url}/v1")
    return [model.run(text)["embedding"][:3] for text in ("one", "two")]


run(whole, stream, tools, structured, errors, embeddings)
