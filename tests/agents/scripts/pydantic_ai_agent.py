"""pydantic-ai, with its models for OpenAI's chat completions or for Anthropic's messages."""

from asking import GIVEN, MODEL, QUESTION, URL, invent_by, run, weather
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.messages import ThinkingPart


class Person(BaseModel):
    name: str
    age: int


def model():
    if GIVEN["provider"] == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        return AnthropicModel(MODEL, provider=AnthropicProvider(base_url=URL, api_key="none"))
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=f"{URL}/v1", api_key="none"))


def agent(**more) -> Agent:
    return Agent(model(), tools=[weather], **more)


async def tools() -> str:
    return (await agent().run(QUESTION)).output


async def streamed_tools() -> str:
    async with agent().run_stream(QUESTION) as streaming:
        return "".join([piece async for piece in streaming.stream_text(delta=True)])


async def structured() -> dict:
    return (await agent(output_type=Person).run(invent_by("final_result"))).output.model_dump()


async def thinking() -> str:
    if GIVEN["provider"] == "anthropic":
        settings = {"max_tokens": 4096, "anthropic_thinking": {"type": "enabled", "budget_tokens": 1024}}
    else:
        settings = {"openai_reasoning_effort": "high"}
    messages = (await agent().run(QUESTION, model_settings=settings)).all_messages()
    thoughts = [part.content for message in messages for part in message.parts if isinstance(part, ThinkingPart)]
    return "".join(thoughts[:1])


run(tools, streamed_tools, structured, thinking)
