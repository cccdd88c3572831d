"""The fireworks-ai SDK, which has chats alone."""

from fireworks import Fireworks
from judging import Exchange, chatted, known, run, streamed


def chat(asked: Exchange) -> dict:
    completions = Fireworks(api_key=asked.key, base_url=f"{asked.address}/inference").chat.completions
    answer = completions.create(**known(completions.create, asked.body))
    return streamed(answer) if asked.body["stream"] else chatted(answer)


run({"chat_completion": chat, "completion": chat})
