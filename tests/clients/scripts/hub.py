"""huggingface_hub."""

from asking import JSON_SCHEMA, PERSON, QUESTION, STORY, WEATHER, Asked, answered, kind, run
from huggingface_hub import InferenceClient


def client(asked: Asked) -> InferenceClient:
    return InferenceClient(base_url=f"{asked.url}/v1", api_key="none")


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def whole(asked: Asked) -> str:
    said = client(asked).chat_completion([user(STORY)], model=asked.chat)
    assert said.usage.total_tokens >= 0
    return said.choices[0].message.content


def stream(asked: Asked) -> str:
    asking = client(asked)  # one that nobody holds closes its streams
    chunks = asking.chat_completion([user(STORY)], model=asked.chat, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def tools(asked: Asked) -> str:
    messages = [user(QUESTION)]
    said = client(asked).chat_completion(messages, model=asked.chat, tools=[WEATHER]).choices[0].message
    calls = [{"id": call.id, "type": "function", "function": dict(call.function)} for call in said.tool_calls]
    messages.append({"role": "assistant", "content": said.content, "tool_calls": calls})
    for call in said.tool_calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": answered(call.function.arguments)})
    return client(asked).chat_completion(messages, model=asked.chat, tools=[WEATHER]).choices[0].message.content


def structured(asked: Asked) -> str:
    shape = {"type": "json_schema", "json_schema": JSON_SCHEMA}
    said = client(asked).chat_completion([user(PERSON)], model=asked.chat, response_format=shape)
    return said.choices[0].message.content


def errors(asked: Asked) -> list[str]:
    def say(model: str, text: str, **more: object) -> None:
        asking = client(asked)
        list(asking.chat_completion([user(text)], model=model, **more))

    return [
        kind(lambda: say("nobody", STORY)),
        kind(lambda: say(asked.chat, STORY, extra_body={"n": 2})),
        kind(lambda: say(asked.chat, "wrong key")),
        kind(lambda: say(asked.chat, "broken off", stream=True)),
    ]


run(whole, stream, tools, structured, errors)
