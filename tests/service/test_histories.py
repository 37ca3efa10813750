"""Reading history: pages, waiting for events, waiting for the end, and backwards."""

from typing import Any

from tenuto.service.errors import Code
from tests.service.house import House, S, on_virtual_time, said

W = {"workflow_id": "w"}


def ids(page: Any) -> list[int]:
    return [event.event_id for event in page.history.events]


async def signal(house: House) -> None:
    await house.call("SignalWorkflowExecution", workflow_execution=W, signal_name="s")


def test_pages_follow_one_another_and_end() -> None:
    async def scene(house: House) -> None:
        await house.start()
        for _ in range(5):
            await signal(house)
        seen: list[int] = []
        token = b""
        while True:
            page = await house.call(
                "GetWorkflowExecutionHistory", execution=W, maximum_page_size=2, next_page_token=token
            )
            seen += ids(page)
            token = page.next_page_token
            if not token:
                break
        assert seen == [1, 2, 3, 4, 5, 6, 7]

    on_virtual_time(scene)


def test_backwards_ends_at_the_first_event() -> None:
    async def scene(house: House) -> None:
        await house.start()
        for _ in range(3):
            await signal(house)
        seen: list[int] = []
        token = b""
        while True:
            page = await house.call(
                "GetWorkflowExecutionHistoryReverse",
                execution=W,
                maximum_page_size=2,
                next_page_token=token,
            )
            seen += ids(page)
            token = page.next_page_token
            if not token:
                break
        assert seen == [5, 4, 3, 2, 1]

    on_virtual_time(scene)


def test_a_reader_that_waits_gets_new_events_when_they_come() -> None:
    async def scene(house: House) -> None:
        await house.start()
        first = await house.call("GetWorkflowExecutionHistory", execution=W, wait_new_event=True)
        assert ids(first) == [1, 2] and first.next_page_token
        waiting = house.begin(
            "GetWorkflowExecutionHistory",
            60,
            execution=W,
            wait_new_event=True,
            next_page_token=first.next_page_token,
        )
        await house.clock.flow(5 * S)
        assert not waiting.done()
        await signal(house)
        await house.clock.flow()
        second = await waiting
        assert ids(second) == [3] and second.next_page_token
        empty = house.begin(
            "GetWorkflowExecutionHistory",
            60,
            execution=W,
            wait_new_event=True,
            next_page_token=second.next_page_token,
        )
        await house.clock.flow(20 * S)
        third = await empty
        assert ids(third) == [] and third.next_page_token

    on_virtual_time(scene)


def test_who_waits_for_the_end_gets_exactly_the_last_event() -> None:
    async def scene(house: House) -> None:
        await house.start()
        waiting = house.begin(
            "GetWorkflowExecutionHistory",
            60,
            execution=W,
            wait_new_event=True,
            history_event_filter_type=2,
        )
        await house.clock.flow(20 * S)
        soft = await waiting
        assert ids(soft) == [] and soft.next_page_token
        again = house.begin(
            "GetWorkflowExecutionHistory",
            60,
            execution=W,
            wait_new_event=True,
            history_event_filter_type=2,
            next_page_token=soft.next_page_token,
        )
        await house.finish(await house.poll())
        await house.clock.flow()
        last = await again
        assert [event.event_type for event in last.history.events] == [2] and not last.next_page_token

    on_virtual_time(scene)


def test_a_task_that_is_not_in_history_yet_shows_at_its_end() -> None:
    async def scene(house: House) -> None:
        await house.start()
        for _ in range(2):
            task = await house.poll()
            await house.call("RespondWorkflowTaskFailed", task_token=task.task_token, cause=14)
        task = await house.poll()
        assert task.attempt == 3
        assert ids(task) == [1, 2, 3, 4, 5, 6]
        page = await house.call("GetWorkflowExecutionHistory", execution=W)
        assert ids(page) == [1, 2, 3, 4, 5, 6]

    on_virtual_time(scene)


def test_a_page_token_belongs_to_one_run() -> None:
    async def scene(house: House) -> None:
        await house.start()
        await house.start("other")
        bent = await house.refusal("GetWorkflowExecutionHistory", execution=W, next_page_token=b"zzz")
        assert said(bent) == (Code.INVALID_ARGUMENT, "Invalid NextPageToken.")
        page = await house.call("GetWorkflowExecutionHistory", execution=W, wait_new_event=True)
        foreign = await house.refusal(
            "GetWorkflowExecutionHistory",
            execution={"workflow_id": "other"},
            next_page_token=page.next_page_token,
        )
        assert foreign.code is Code.INVALID_ARGUMENT
        run = await house.refusal(
            "GetWorkflowExecutionHistory",
            execution={**W, "run_id": house.new_id()},
            next_page_token=page.next_page_token,
        )
        assert said(run) == (
            Code.INVALID_ARGUMENT,
            "RunId in the request does not match the NextPageToken.",
        )

    on_virtual_time(scene)


def test_a_long_history_reaches_a_worker_page_by_page() -> None:
    async def scene(house: House) -> None:
        await house.start()
        for _ in range(300):
            await signal(house)
        task = await house.poll()
        seen, token = ids(task), task.next_page_token
        assert token and len(seen) < 303
        while token:
            page = await house.call("GetWorkflowExecutionHistory", execution=W, next_page_token=token)
            seen += ids(page)
            token = page.next_page_token
        assert seen == list(range(1, task.started_event_id + 1))

    on_virtual_time(scene)
