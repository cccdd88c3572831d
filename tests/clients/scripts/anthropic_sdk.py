"""The anthropic SDK."""

from anthropic import Anthropic
from asking import PERSON, PLACE, QUESTION, SCHEMA, STORY, Asked, answered, kind, run

TOOL = {"name": "weather", "description": "The weather in a city.", "input_schema": PLACE}


def client(asked: Asked) -> Anthropic:
    return Anthropic(base_url=asked.url, api_key="none")


def words(message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def whole(asked: Asked) -> str:
    said = client(asked).messages.create(model=asked.chat, max_tokens=100, system="Be brief.", messages=[user(STORY)])
    assert said.stop_reason == "end_turn"
    assert said.usage.output_tokens >= 0
    return words(said)


def stream(asked: Asked) -> str:
    with client(asked).messages.stream(model=asked.chat, max_tokens=100, messages=[user(STORY)]) as streaming:
        text = "".join(streaming.text_stream)
        said = streaming.get_final_message()
    assert words(said) == text
    assert said.usage.output_tokens >= 0
    return text


def tools(asked: Asked) -> str:
    messages = [user(QUESTION)]
    said = client(asked).messages.create(model=asked.chat, max_tokens=100, messages=messages, tools=[TOOL])
    assert said.stop_reason == "tool_use"
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": answered(block.input)}
        for block in said.content
        if block.type == "tool_use"
    ]
    messages += [{"role": "assistant", "content": said.content}, {"role": "user", "content": results}]
    return words(client(asked).messages.create(model=asked.chat, max_tokens=100, messages=messages, tools=[TOOL]))


def streamed_tools(asked: Asked) -> str:
    with client(asked).messages.stream(
        model=asked.chat, max_tokens=100, messages=[user(QUESTION)], tools=[TOOL]
    ) as streaming:
        said = streaming.get_final_message()
    return " ".join(answered(block.input) for block in said.content if block.type == "tool_use")


def structured(asked: Asked) -> str:
    shape = {"format": {"type": "json_schema", "schema": SCHEMA}}
    messages = [user(PERSON)]
    return words(
        client(asked).messages.create(model=asked.chat, max_tokens=100, messages=messages, output_config=shape)
    )


def errors(asked: Asked) -> list[str]:
    def say(model: str, text: str, **more: object) -> None:
        list(client(asked).messages.create(model=model, max_tokens=100, messages=[user(text)], **more))

    return [
        kind(lambda: say("nobody", STORY)),
        kind(lambda: say(asked.chat, STORY, extra_body={"container": "c"})),
        kind(lambda: say(asked.chat, "wrong key")),
        kind(lambda: say(asked.chat, "broken off", stream=True)),
    ]


run(whole, stream, tools, streamed_tools, structured, errors)
