"""llama-index: OpenAILike and OpenAIEmbedding."""

from asking import QUESTION, STORY, Asked, answered, kind, run
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai_like import OpenAILike


def client(asked: Asked) -> OpenAILike:
    return OpenAILike(
        model=asked.chat,
        api_base=f"{asked.url}/v1",
        api_key="none",
        is_chat_model=True,
        is_function_calling_model=True,
        max_retries=0,
    )


def weather(city: str) -> str:
    """The weather in a city."""
    return answered({"city": city})


TOOL = FunctionTool.from_defaults(weather)


def user(text: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.USER, content=text)


def whole(asked: Asked) -> str:
    return client(asked).chat([user(STORY)]).message.content


def stream(asked: Asked) -> str:
    return "".join(chunk.delta or "" for chunk in client(asked).stream_chat([user(STORY)]))


def tools(asked: Asked) -> str:
    messages = [user(QUESTION)]
    said = client(asked).chat_with_tools([TOOL], chat_history=messages, allow_parallel_tool_calls=True)
    messages.append(said.message)
    for call in client(asked).get_tool_calls_from_response(said):
        more = {"tool_call_id": call.tool_id}
        messages.append(ChatMessage(role=MessageRole.TOOL, content=answered(call.tool_kwargs), additional_kwargs=more))
    again = client(asked).chat_with_tools([TOOL], chat_history=messages, allow_parallel_tool_calls=True)
    return again.message.content


def errors(asked: Asked) -> list[str]:
    def say(model: str, text: str, **more: object) -> None:
        client(Asked(asked.url, model, model)).chat([user(text)], **more)

    return [
        kind(lambda: say("nobody", STORY)),
        kind(lambda: say(asked.chat, STORY, n=2)),
        kind(lambda: say(asked.chat, "wrong key")),
        kind(lambda: list(client(asked).stream_chat([user("broken off")]))),
    ]


def embeddings(asked: Asked) -> list[list[float]]:
    model = OpenAIEmbedding(model_name=asked.embedding, api_base=f"{asked.url}/v1", api_key="none")
    return [vector[:3] for vector in model.get_text_embedding_batch(["one", "two"])]


run(whole, stream, tools, errors, embeddings)
