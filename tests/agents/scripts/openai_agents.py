"""openai-agents, which asks for responses."""

from agents import Agent, ModelSettings, OpenAIProvider, RunConfig, Runner, function_tool
from asking import INVENT, MODEL, QUESTION, URL, run, weather
from openai.types.shared import Reasoning
from pydantic import BaseModel

CONFIG = RunConfig(model_provider=OpenAIProvider(base_url=f"{URL}/v1", api_key="none"), tracing_disabled=True)


class Person(BaseModel):
    name: str
    age: int


def agent(**more) -> Agent:
    return Agent(name="forecaster", model=MODEL, tools=[function_tool(weather)], **more)


async def tools() -> str:
    return (await Runner.run(agent(), QUESTION, run_config=CONFIG)).final_output


async def streamed_tools() -> str:
    running = Runner.run_streamed(agent(), QUESTION, run_config=CONFIG)
    pieces = []
    async for event in running.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            pieces.append(event.data.delta)
    text = running.final_output
    assert text == "".join(pieces)
    return text


async def structured() -> dict:
    return (await Runner.run(agent(output_type=Person), INVENT, run_config=CONFIG)).final_output.model_dump()


async def thinking() -> str:
    settings = ModelSettings(reasoning=Reasoning(effort="high", summary="auto"))
    done = await Runner.run(agent(model_settings=settings), QUESTION, run_config=CONFIG)
    thoughts = [item.raw_item for item in done.new_items if item.type == "reasoning_item"]
    return "".join(part.text for thought in thoughts[:1] for part in (*thought.summary, *(thought.content or ())))


run(tools, streamed_tools, structured, thinking)
