"""An agent: a model that asks for tools until it has an answer; tools that cost money wait for a person's word.

The model is an activity, here with canned answers. Every answer it gives and every tool's result is kept, so that an agent
that is interrupted goes on without asking (and paying for) anything twice.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import tenuto
from tenuto import RetryPolicy, activity, workflow


@dataclass
class Message:
    role: str
    text: str


@dataclass
class Call:
    tool: str
    argument: str


@dataclass
class Answer:
    text: str = ""
    calls: list[Call] = field(default_factory=list)


@activity(start_to_close_timeout=60, retry_policy=RetryPolicy(maximum_attempts=5))
async def model(messages: list[Message]) -> Answer:
    """A real one would post `messages` to a model's API."""
    results = [message.text for message in messages if message.role == "tool"]
    if not results:
        return Answer(calls=[Call("weather", "Leipzig"), Call("trains", "Leipzig")])
    if len(results) == 2:
        return Answer(calls=[Call("buy_ticket", "ICE 700")])
    return Answer(text=f"Done: {results[-1]}. Take an umbrella.")


@activity
async def weather(city: str) -> str:
    return f"rain in {city}"


@activity
async def trains(city: str) -> str:
    return f"ICE 700 to {city}"


@activity(retry_policy=RetryPolicy(maximum_attempts=1))  # rather not at all than twice
async def buy_ticket(train: str) -> str:
    return f"a ticket for {train}"


TOOLS: dict[str, Callable[[str], Awaitable[str]]] = {
    "weather": weather,
    "trains": trains,
    "buy_ticket": buy_ticket,
}
NEEDS_APPROVAL = {"buy_ticket"}


@workflow
async def agent(task: str, most_turns: int = 10) -> str:
    messages = [Message("user", task)]
    pending: list[str] = []
    approvals = workflow.mailbox("approve", bool)
    workflow.publish("messages", messages)

    @workflow.on_update()
    async def next_question() -> str:
        """Wait until the agent wants something approved; what it is."""
        await workflow.wait_condition(lambda: bool(pending))
        return pending[0]

    async def use(call: Call) -> Message:
        if call.tool in NEEDS_APPROVAL:
            pending.append(f"{call.tool}({call.argument})")
            granted = await approvals.get()
            pending.pop(0)
            if not granted:
                return Message("tool", f"{call.tool} was refused")
        return Message("tool", await TOOLS[call.tool](call.argument))

    for _ in range(most_turns):
        answer = await model(messages)
        if not answer.calls:
            return answer.text
        messages += await asyncio.gather(*(use(call) for call in answer.calls))
    raise tenuto.ApplicationError(f"no answer after {most_turns} turns")


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(
        target, workflows=[agent], activities=[model, *TOOLS.values()], task_queue="agents"
    ) as app:
        handle = await app.start(agent, "Get me to Leipzig")
        print("may I?", await handle.execute_update("next_question"))
        await handle.signal("approve", True)
        print(await handle.result())
        for message in await handle.query("messages", result_type=list[Message]):
            print(f"  {message.role}: {message.text}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
