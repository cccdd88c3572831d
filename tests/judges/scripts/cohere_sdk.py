"""The cohere SDK, by its second client; vLLM and Azure rank by the path of the first."""

import cohere
from judging import Exchange, known, ranked, run, unpacked


def client(asked: Exchange) -> cohere.ClientV2:
    return cohere.ClientV2(api_key=asked.key, base_url=asked.address)


def chat(asked: Exchange) -> dict:
    body = {name: value for name, value in asked.body.items() if name != "stream"}
    if asked.body["stream"]:
        return streamed(client(asked).chat_stream(**known(client(asked).chat_stream, body)))
    answer = client(asked).chat(**known(client(asked).chat, body))
    text = "".join(part.text for part in answer.message.content or () if part.type == "text")
    thoughts = "".join(part.thinking for part in answer.message.content or () if part.type == "thinking")
    calls = [[call.id, call.function.name, call.function.arguments] for call in answer.message.tool_calls or ()]
    return {"text": text, "reasoning": thoughts, "tool_calls": calls, **cost(answer.usage)}


def streamed(events) -> dict:
    meaning = {"text": "", "reasoning": "", "tool_calls": []}
    for event in events:
        match event.type:
            case "content-delta":
                meaning["text"] += event.delta.message.content.text or ""
                meaning["reasoning"] += event.delta.message.content.thinking or ""
            case "tool-call-start" | "tool-call-delta":
                call = event.delta.message.tool_calls
                name = getattr(call.function, "name", None)
                meaning["tool_calls"].append([getattr(call, "id", None), name, call.function.arguments])
            case "message-end":
                meaning.update(cost(event.delta.usage))
    return meaning


def cost(usage) -> dict:
    return {"input": int(usage.tokens.input_tokens), "output": int(usage.tokens.output_tokens)}


def embed(asked: Exchange) -> dict:
    answer = client(asked).embed(**known(client(asked).embed, asked.body))
    names = ("float_", "int8", "binary", "base64")
    rows = next(rows for name in names if (rows := getattr(answer.embeddings, name)))
    return {"embeddings": [*map(unpacked, rows)], "input": int(answer.meta.billed_units.input_tokens)}


def rerank(asked: Exchange) -> dict:
    if asked.path.startswith("/v1/"):
        first = cohere.Client(api_key=asked.key, base_url=asked.address)
        return ranked(first.rerank(**known(first.rerank, asked.body)).results)
    return ranked(client(asked).rerank(**known(client(asked).rerank, asked.body)).results)


run({"chat_completion": chat, "completion": chat, "text_embedding": embed, "rerank": rerank})
