"""The anthropic SDK."""

from anthropic import Anthropic
from judging import Exchange, known, run


def chat(asked: Exchange) -> dict:
    messages = Anthropic(api_key=asked.key, base_url=asked.address).messages
    body = known(messages.create, asked.body)
    if not body.pop("stream", False):
        return meaning(messages.create(**body))
    with messages.stream(**body) as stream:
        return meaning(stream.get_final_message())


def meaning(message) -> dict:
    text = "".join(block.text for block in message.content if block.type == "text")
    calls = [[block.id, block.name, block.input] for block in message.content if block.type == "tool_use"]
    return {"text": text, "tool_calls": calls, "output": message.usage.output_tokens}


if __name__ == "__main__":
    run({"chat_completion": chat, "completion": chat})
