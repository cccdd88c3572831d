"""The groq SDK."""

from groq import Groq
from judging import Exchange, chatted, known, run, streamed


def chat(asked: Exchange) -> dict:
    completions = Groq(api_key=asked.key, base_url=asked.address).chat.completions
    answer = completions.create(**known(completions.create, asked.body))
    return streamed(answer) if asked.body["stream"] else chatted(answer)


run({"chat_completion": chat, "completion": chat})
