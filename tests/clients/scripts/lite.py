"""litellm, as `openai/…` and as `anthropic/…`."""

import litellm
from asking import JSON_SCHEMA, PERSON, QUESTION, STORY, WEATHER, Asked, answered, kind, run

litellm.suppress_debug_info = True
litellm.telemetry = False


def say(asked: Asked, messages: list, model: str = "", **more: object):
    return litellm.completion(
        f"openai/{model or asked.chat}", messages, api_base=f"{asked.url}/v1", api_key="none", max_retries=0, **more
    )


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def whole(asked: Asked) -> str:
    said = say(asked, [user(STORY)])
    assert said.usage.total_tokens >= 0
    return said.choices[0].message.content


def whole_as_anthropic(asked: Asked) -> str:
    said = litellm.completion(f"anthropic/{asked.chat}", [user(STORY)], api_base=asked.url, api_key="none")
    return said.choices[0].message.content


def stream(asked: Asked) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in say(asked, [user(STORY)], stream=True))


def tools(asked: Asked) -> str:
    messages = [user(QUESTION)]
    said = say(asked, messages, tools=[WEATHER]).choices[0].message
    messages.append(said)
    for call in said.tool_calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": answered(call.function.arguments)})
    return say(asked, messages, tools=[WEATHER]).choices[0].message.content


def structured(asked: Asked) -> str:
    shape = {"type": "json_schema", "json_schema": JSON_SCHEMA}
    return say(asked, [user(PERSON)], response_format=shape).choices[0].message.content


def errors(asked: Asked) -> list[str]:
    return [
        kind(lambda: say(asked, [user(STORY)], "nobody")),
        kind(lambda: say(asked, [user(STORY)], n=2)),
        kind(lambda: say(asked, [user("wrong key")])),
        kind(lambda: list(say(asked, [user("broken off")], stream=True))),
    ]


def embeddings(asked: Asked) -> list[list[float]]:
    said = litellm.embedding(f"openai/{asked.embedding}", ["one", "two"], api_base=f"{asked.url}/v1", api_key="none")
    return [row["embedding"][:3] for row in said.data]


run(whole, whole_as_anthropic, stream, tools, structured, errors, embeddings)
