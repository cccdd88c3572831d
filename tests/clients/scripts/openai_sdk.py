"""The openai SDK."""

from asking import JSON_SCHEMA, PERSON, QUESTION, STORY, WEATHER, Asked, answered, kind, run
from openai import OpenAI


def client(asked: Asked) -> OpenAI:
    return OpenAI(base_url=f"{asked.url}/v1", api_key="none")


def whole(asked: Asked) -> str:
    said = client(asked).chat.completions.create(model=asked.chat, messages=[{"role": "user", "content": STORY}])
    assert said.usage.total_tokens == said.usage.prompt_tokens + said.usage.completion_tokens
    assert (said.object, said.choices[0].finish_reason) == ("chat.completion", "stop")
    return said.choices[0].message.content


def stream(asked: Asked) -> str:
    messages = [{"role": "user", "content": STORY}]
    plain = list(client(asked).chat.completions.create(model=asked.chat, messages=messages, stream=True))
    assert all(chunk.choices for chunk in plain), "a chunk without choices that nobody asked for"
    chunks = list(
        client(asked).chat.completions.create(
            model=asked.chat, messages=messages, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens >= 0
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def tools(asked: Asked) -> str:
    messages = [{"role": "user", "content": QUESTION}]
    said = client(asked).chat.completions.create(model=asked.chat, messages=messages, tools=[WEATHER])
    assert said.choices[0].finish_reason == "tool_calls"
    messages.append(said.choices[0].message)
    for call in said.choices[0].message.tool_calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": answered(call.function.arguments)})
    said = client(asked).chat.completions.create(model=asked.chat, messages=messages, tools=[WEATHER])
    return said.choices[0].message.content


def streamed_tools(asked: Asked) -> str:
    with client(asked).chat.completions.stream(
        model=asked.chat, messages=[{"role": "user", "content": QUESTION}], tools=[WEATHER]
    ) as streaming:
        said = streaming.get_final_completion()
    calls = said.choices[0].message.tool_calls
    return " ".join(answered(call.function.arguments) for call in calls)


def structured(asked: Asked) -> str:
    said = client(asked).chat.completions.create(
        model=asked.chat,
        messages=[{"role": "user", "content": PERSON}],
        response_format={"type": "json_schema", "json_schema": JSON_SCHEMA},
    )
    return said.choices[0].message.content


def completions(asked: Asked) -> str:
    said = client(asked).completions.create(model=asked.chat, prompt=STORY)
    chunks = list(client(asked).completions.create(model=asked.chat, prompt=STORY, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == said.choices[0].text
    return said.choices[0].text


def responses(asked: Asked) -> str:
    said = client(asked).responses.create(model=asked.chat, input=STORY)
    assert (said.object, said.status) == ("response", "completed")
    assert client(asked).responses.retrieve(said.id).output_text == said.output_text
    with client(asked).responses.stream(model=asked.chat, input=STORY) as streaming:
        pieces = [event.delta for event in streaming if event.type == "response.output_text.delta"]
        assert streaming.get_final_response().output_text == "".join(pieces) == said.output_text
    return said.output_text


def response_tools(asked: Asked) -> str:
    """Once with all that was said, and once from what is kept."""
    tool = {"type": "function", **WEATHER["function"], "strict": False}
    items = [{"role": "user", "content": QUESTION}]
    with client(asked).responses.stream(model=asked.chat, input=items, tools=[tool]) as streaming:
        first = streaming.get_final_response()
    calls = [item for item in first.output if item.type == "function_call"]
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": answered(call.arguments)} for call in calls
    ]
    said = (
        client(asked)
        .responses.create(model=asked.chat, input=results, tools=[tool], previous_response_id=first.id)
        .output_text
    )
    items += [*first.output, *results]
    assert client(asked).responses.create(model=asked.chat, input=items, tools=[tool]).output_text == said
    return said


def parsed_response(asked: Asked) -> str:
    form = {"type": "json_schema", **JSON_SCHEMA}
    said = client(asked).responses.create(model=asked.chat, input=PERSON, text={"format": form})
    return said.output_text


def errors(asked: Asked) -> list[str]:
    def say(model: str, text: str, **more: object) -> None:
        answer = client(asked).chat.completions.create(
            model=model, messages=[{"role": "user", "content": text}], **more
        )
        list(answer)

    return [
        kind(lambda: say("nobody", STORY)),
        kind(lambda: say(asked.chat, STORY, n=2)),
        kind(lambda: say(asked.chat, "wrong key")),
        kind(lambda: say(asked.chat, "broken off", stream=True)),
    ]


def embeddings(asked: Asked) -> list[list[float]]:
    said = client(asked).embeddings.create(model=asked.embedding, input=["one", "two"])
    numbers = client(asked).embeddings.create(model=asked.embedding, input=["one", "two"], encoding_format="float")
    assert [len(row.embedding) for row in said.data] == [len(row.embedding) for row in numbers.data]
    assert said.usage.total_tokens == said.usage.prompt_tokens
    return [row.embedding[:3] for row in said.data]


def models(asked: Asked) -> bool:
    found = {model.id for model in client(asked).models.list()}
    return asked.chat in found and client(asked).models.retrieve(asked.chat).id == asked.chat


run(
    whole,
    stream,
    tools,
    streamed_tools,
    structured,
    completions,
    responses,
    response_tools,
    parsed_response,
    errors,
    embeddings,
    models,
)
