"""langchain-openai."""

from asking import PERSON, QUESTION, SCHEMA, STORY, WEATHER, Asked, answered, kind, run
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings


def client(asked: Asked, **more: object) -> ChatOpenAI:
    return ChatOpenAI(base_url=f"{asked.url}/v1", api_key="none", model=asked.chat, **more)


def whole(asked: Asked) -> str:
    said = client(asked).invoke(STORY)
    assert said.usage_metadata["total_tokens"] >= 0
    return said.content


def stream(asked: Asked) -> str:
    return "".join(chunk.content for chunk in client(asked).stream(STORY))


def tools(asked: Asked) -> str:
    model = client(asked).bind_tools([WEATHER])
    messages = [HumanMessage(QUESTION)]
    messages.append(model.invoke(messages))
    messages += [ToolMessage(answered(call["args"]), tool_call_id=call["id"]) for call in messages[-1].tool_calls]
    return model.invoke(messages).content


def streamed_tools(asked: Asked) -> str:
    said = None
    for chunk in client(asked).bind_tools([WEATHER]).stream(QUESTION):
        said = chunk if said is None else said + chunk
    return " ".join(answered(call["args"]) for call in said.tool_calls)


def structured(asked: Asked) -> dict:
    schema = {"title": "person", "description": "A person.", **SCHEMA}
    return client(asked).with_structured_output(schema, method="json_schema", strict=True).invoke(PERSON)


def errors(asked: Asked) -> list[str]:
    nobody = Asked(asked.url, "nobody", "nobody")
    return [
        kind(lambda: client(nobody).invoke(STORY)),
        kind(lambda: client(asked, n=2).invoke(STORY)),
        kind(lambda: client(asked).invoke("wrong key")),
        kind(lambda: list(client(asked).stream("broken off"))),
    ]


def embeddings(asked: Asked) -> list[list[float]]:
    model = OpenAIEmbeddings(
        base_url=f"{asked.url}/v1", api_key="none", model=asked.embedding, check_embedding_ctx_length=False
    )
    return [vector[:3] for vector in model.embed_documents(["one", "two"])]


def embeddings_of_tokens(asked: Asked) -> list[int] | str:
    """Its default: what leaves it are arrays of tokens."""
    model = OpenAIEmbeddings(base_url=f"{asked.url}/v1", api_key="none", model=asked.embedding)
    return len(model.embed_documents(["one", "two"]))


run(whole, stream, tools, streamed_tools, structured, errors, embeddings, embeddings_of_tokens)
