"""Pydantic models go in and out like any other value, and are validated on the way. Needs the package `pydantic`."""

import argparse
import asyncio
from datetime import date
from decimal import Decimal

from pydantic import BaseModel, Field

import tenuto
from tenuto import activity, workflow


class Line(BaseModel):
    item: str
    price: Decimal = Field(gt=0)


class Invoice(BaseModel):
    number: int
    due: date
    lines: list[Line]


class Receipt(BaseModel):
    invoice: int
    total: Decimal


@activity
async def pay(invoice: Invoice) -> Receipt:
    return Receipt(invoice=invoice.number, total=sum((line.price for line in invoice.lines), Decimal(0)))


@workflow
async def settle(invoice: Invoice) -> Receipt:
    return await pay(invoice)


async def main(target: str | tenuto.Client) -> None:
    async with tenuto.open(target, workflows=[settle], activities=[pay], task_queue="pydantic") as app:
        lines = [Line(item="bow", price=Decimal("120.50")), Line(item="rosin", price=Decimal("9.90"))]
        print(await app.execute(settle, Invoice(number=7, due=date(2027, 1, 31), lines=lines)))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--address", default="memory://", help="host:port of a server, or the URL of a store"
    )
    asyncio.run(main(options.parse_args().address))
