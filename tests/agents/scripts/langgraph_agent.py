"""langgraph: an agent that reasons and acts, with langchain-openai's chat."""

from asking import INVENT, MODEL, QUESTION, URL, run, weather
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


def agent(**more):
    return create_react_agent(ChatOpenAI(base_url=f"{URL}/v1", api_key="none", model=MODEL), [weather], **more)


def asked(text: str) -> dict:
    return {"messages": [{"role": "user", "content": text}]}


def tools() -> str:
    return agent().invoke(asked(QUESTION))["messages"][-1].content


def streamed_tools() -> str:
    pieces = []
    for message, _ in agent().stream(asked(QUESTION), stream_mode="messages"):
        pieces.append(message.content if message.type == "AIMessageChunk" else "")
    return "".join(pieces)


def structured() -> dict:
    return agent(response_format=Person).invoke(asked(INVENT))["structured_response"].model_dump()


run(tools, streamed_tools, structured)
