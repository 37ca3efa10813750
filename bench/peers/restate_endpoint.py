"""The work with Restate, as its server calls it over HTTP/2: ``python restate_endpoint.py PORT``, until it is ended."""

import asyncio
import signal
import sys

import hypercorn.asyncio  # type: ignore[import-not-found,unused-ignore]
import hypercorn.config  # type: ignore[import-not-found,unused-ignore]
import restate  # type: ignore[import-not-found,unused-ignore]

service = restate.Service("bench")


async def one(number: int) -> int:
    return number + 1


@service.handler()  # type: ignore[misc,untyped-decorator,unused-ignore]
async def work(ctx: restate.Context, told: dict[str, int]) -> int:
    number = told["number"]
    for index in range(told["steps"]):
        number = await ctx.run_typed(f"step-{index}", one, number=number)
    return number


async def main() -> None:
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    config.accesslog = None
    config.loglevel = "ERROR"
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await hypercorn.asyncio.serve(restate.app(services=[service]), config, shutdown_trigger=stop.wait)


if __name__ == "__main__":
    asyncio.run(main())
