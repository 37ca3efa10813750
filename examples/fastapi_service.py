"""A web service whose requests start workflows and talk to them. Needs the packages `fastapi` and `uvicorn`.

    python examples/fastapi_service.py --address sqlite:///orders.db
    curl -X POST localhost:8000/orders/7 -H 'content-type: application/json' -d '{"items": ["violin", "bow"]}'
    curl localhost:8000/orders/7
    curl -X POST localhost:8000/orders/7/approval
    curl localhost:8000/orders/7/result

Stop it at any moment and start it again: orders go on where they were.
"""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

import tenuto
from tenuto import WorkflowIDReusePolicy, activity, workflow
from tenuto.exceptions import WorkflowAlreadyStartedError


class Order(BaseModel):
    items: list[str]


class Receipt(BaseModel):
    reserved: list[str]


@activity
async def reserve(item: str) -> str:
    return f"reserved {item}"


@workflow
async def order(order: Order) -> Receipt:
    workflow.publish("stage", "reserving")
    reserved = [await reserve(item) for item in order.items]
    workflow.publish("stage", "awaiting approval")
    await workflow.mailbox("approve").get()
    workflow.publish("stage", "done")
    return Receipt(reserved=reserved)


def service(target: str | tenuto.Client) -> FastAPI:
    """The web application; its workers live and end with it."""

    @asynccontextmanager
    async def alive(web: FastAPI) -> AsyncIterator[None]:
        async with tenuto.open(target, workflows=[order], activities=[reserve], task_queue="orders") as app:
            web.state.orders = app
            yield

    web = FastAPI(lifespan=alive)

    def running(number: int) -> tenuto.WorkflowHandle[object, Receipt]:
        return web.state.orders.client.get_workflow_handle(f"order-{number}", result_type=Receipt)  # type: ignore[no-any-return]

    @web.post("/orders/{number}", status_code=201)
    async def place(number: int, body: Order) -> dict[str, str]:
        try:
            handle = await web.state.orders.start(
                order, body, id=f"order-{number}", id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE
            )
        except WorkflowAlreadyStartedError:
            raise HTTPException(409, "there is an order of this number") from None
        return {"id": handle.id}

    @web.get("/orders/{number}")
    async def stage(number: int) -> dict[str, str]:
        return {"stage": await running(number).query("stage")}

    @web.post("/orders/{number}/approval", status_code=202)
    async def approve(number: int) -> None:
        await running(number).signal("approve")

    @web.get("/orders/{number}/result")
    async def result(number: int) -> Receipt:
        return await running(number).result()

    return web


if __name__ == "__main__":
    import uvicorn  # type: ignore[import-not-found, unused-ignore]

    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    uvicorn.run(service(options.parse_args().address))
