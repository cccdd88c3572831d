"""The ai21 SDK."""

from ai21 import AI21Client
from ai21.models.chat import AssistantMessage, SystemMessage, ToolMessage, UserMessage
from judging import Exchange, chatted, run, streamed

TURNS = {"assistant": AssistantMessage, "system": SystemMessage, "tool": ToolMessage, "user": UserMessage}


def chat(asked: Exchange) -> dict:
    client = AI21Client(api_key=asked.key, api_host=f"{asked.address}/studio/v1")
    messages = [TURNS[message["role"]](**message) for message in asked.body["messages"]]
    answer = client.chat.completions.create(**{**asked.body, "messages": messages})
    return streamed(answer) if asked.body["stream"] else chatted(answer)


run({"chat_completion": chat, "completion": chat})
