"""Polls: how many are out, when they wait, what makes them give up, how they end."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from tenuto.transport.errors import RPCError, RPCStatusCode
from tenuto.wire import workflowservice as ws
from tenuto.worker.config import PollerBehaviorAutoscaling
from tenuto.worker.pollers import Outage, Poller, PollError
from tenuto.worker.scaling import AutoScale, FixedScale, Pace, Scale, split
from tenuto.worker.slots import BoundedSlots
from tests.worker.test_slots import on_virtual_time, turns

Answer = ws.PollActivityTaskQueueResponse


class Queue:
    """What polls ask: answers with what is put in, or after a minute with nothing; counts polls."""

    def __init__(self) -> None:
        self.tasks: asyncio.Queue[Answer | Exception] = asyncio.Queue()
        self.asked = 0
        self.patience: list[timedelta | None] = []

    async def ask(self, patience: timedelta | None) -> Answer:
        self.asked += 1
        self.patience.append(patience)
        try:
            async with asyncio.timeout(60 if patience is None else patience.total_seconds() - 1):
                answer = await self.tasks.get()
        except TimeoutError:
            return Answer()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def put(self, *names: str) -> None:
        for name in names:
            self.tasks.put_nowait(Answer(task_token=name.encode()))


class Fatal(list[BaseException]):
    """What a poller gave up over."""


def poller(
    queue: Queue,
    handle: Callable[[Answer], Awaitable[None]],
    *,
    slots: BoundedSlots | None = None,
    scale: Scale | None = None,
    fatal: Fatal | None = None,
    pace: Pace | None = None,
) -> Poller[Answer]:
    return Poller(
        "activities of q",
        ask=queue.ask,
        handle=handle,
        slots=slots or BoundedSlots(10),
        scale=scale or FixedScale(2),
        on_fatal=(fatal if fatal is not None else Fatal()).append,
        pace=pace,
    )


def test_no_poll_goes_out_without_a_slot() -> None:
    async def story() -> None:
        queue, gate, begun = Queue(), asyncio.Event(), []

        async def handle(task: Answer) -> None:
            begun.append(task.task_token)
            await gate.wait()

        slots = BoundedSlots(2)
        polls = poller(queue, handle, slots=slots, scale=FixedScale(5))
        polls.start()
        await turns()
        assert queue.asked == 2
        queue.put("a", "b", "c")
        await turns()
        assert begun == [b"a", b"b"] and polls.out == 0 and slots.working == 2
        gate.set()
        await turns()
        assert begun == [b"a", b"b", b"c"]
        await polls.stop()
        await polls.drain()
        assert slots.held == 0

    on_virtual_time(story())


def test_polls_that_are_out_may_still_bring_work_while_the_worker_stops() -> None:
    async def story() -> None:
        queue, done = Queue(), []

        async def handle(task: Answer) -> None:
            await asyncio.sleep(3)
            done.append(task.task_token)

        polls = poller(queue, handle)
        polls.start()
        await turns()
        polls.close()
        queue.put("late")
        await polls.stop(patience=5)
        await polls.drain()
        assert done == [b"late"] and polls.loops == 0

    on_virtual_time(story())


def test_work_that_does_not_end_in_time_is_cancelled() -> None:
    async def story() -> None:
        queue, cancelled = Queue(), []

        async def handle(task: Answer) -> None:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                cancelled.append(task.task_token)
                raise

        slots = BoundedSlots(1)
        polls = poller(queue, handle, slots=slots)
        polls.start()
        queue.put("slow")
        await turns()
        await polls.stop()
        await polls.drain(patience=10)
        assert cancelled == [b"slow"] and slots.held == 0
        assert asyncio.get_running_loop().time() == pytest.approx(10)

    on_virtual_time(story())


def test_an_error_that_passes_slows_polls_down_and_ends_nothing() -> None:
    async def story() -> None:
        queue, seen, fatal = Queue(), [], Fatal()

        async def handle(task: Answer) -> None:
            seen.append(task.task_token)

        polls = poller(queue, handle, scale=FixedScale(1), fatal=fatal)
        for _ in range(4):
            queue.tasks.put_nowait(RPCError("busy", RPCStatusCode.UNAVAILABLE, b""))
        queue.put("then")
        polls.start()
        await asyncio.sleep(1.0)
        assert not seen
        await asyncio.sleep(10.0)
        assert seen == [b"then"] and not fatal
        await polls.stop()

    on_virtual_time(story())


def test_an_outage_is_told_once_however_many_polls_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        queue = Queue()

        async def handle(task: Answer) -> None: ...

        polls = poller(queue, handle, scale=FixedScale(5))
        polls.start()
        for _ in range(2):
            await turns()
            for _ in range(10):
                queue.tasks.put_nowait(RPCError("gone", RPCStatusCode.UNAVAILABLE, b""))
            await asyncio.sleep(30)
            queue.put("back")
            await asyncio.sleep(30)
        await polls.stop()

    on_virtual_time(story())
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == ["The service is out of reach, workers go on asking: gone"] * 2


def test_an_outage_is_told_once_by_all_polls_of_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        queues = [Queue(), Queue()]

        async def handle(task: Answer) -> None: ...

        outage = Outage()
        polls = [poller(queue, handle) for queue in queues]
        for each in polls:
            each.outage = outage
            each.start()
        await turns()
        for queue in queues:
            for _ in range(5):
                queue.tasks.put_nowait(RPCError("gone", RPCStatusCode.UNAVAILABLE, b""))
        await asyncio.sleep(30)
        for each in polls:
            await each.stop()

    on_virtual_time(story())
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "The service is out of reach, workers go on asking: gone"
    ]


@pytest.mark.parametrize(
    "status", [RPCStatusCode.NOT_FOUND, RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.INVALID_ARGUMENT]
)
def test_an_error_that_does_not_pass_is_fatal_after_a_minute(status: RPCStatusCode) -> None:
    async def story() -> None:
        queue, fatal = Queue(), Fatal()

        async def ask(patience: timedelta | None) -> Answer:
            raise RPCError("no", status, b"")

        async def handle(task: Answer) -> None: ...

        polls: Poller[Answer] = Poller(
            "activities of q",
            ask=ask,
            handle=handle,
            slots=BoundedSlots(1),
            scale=FixedScale(1),
            on_fatal=fatal.append,
        )
        polls.start()
        await asyncio.sleep(59)
        assert not fatal
        await asyncio.sleep(30)
        assert isinstance(fatal[0], PollError) and isinstance(fatal[0], RuntimeError)
        assert isinstance(fatal[0].__cause__, RPCError) and queue.asked == 0

    on_virtual_time(story())


def test_a_service_that_answers_empty_at_once_is_not_asked_in_a_spin() -> None:
    async def story() -> None:
        asked = 0

        async def ask(patience: timedelta | None) -> Answer:
            nonlocal asked
            asked += 1
            return Answer()

        async def handle(task: Answer) -> None: ...

        polls: Poller[Answer] = Poller(
            "activities of q",
            ask=ask,
            handle=handle,
            slots=BoundedSlots(1),
            scale=FixedScale(1),
            on_fatal=Fatal().append,
        )
        polls.start()
        await asyncio.sleep(60)
        assert asked < 15
        await polls.stop()

    on_virtual_time(story())


def test_a_handler_that_raises_is_fatal_and_frees_its_slot() -> None:
    async def story() -> None:
        queue, fatal, slots = Queue(), Fatal(), BoundedSlots(1)

        async def handle(task: Answer) -> None:
            raise OSError("broken")

        polls = poller(queue, handle, slots=slots, fatal=fatal)
        polls.start()
        queue.put("a")
        await turns()
        assert isinstance(fatal[0], OSError)
        await polls.stop()
        assert slots.held == 0

    on_virtual_time(story())


def test_a_pace_spreads_polls_and_empty_polls_do_not_count() -> None:
    async def story() -> None:
        queue, begun = Queue(), []
        clock = asyncio.get_running_loop().time

        async def handle(task: Answer) -> None:
            begun.append(clock())

        polls = poller(queue, handle, scale=FixedScale(1), pace=Pace(2.0))
        polls.start()
        queue.put(*"abcdef")
        await asyncio.sleep(10)
        gaps = [after - before for before, after in pairwise(begun)]
        assert len(begun) == 6 and min(gaps) > 0.45
        await polls.stop()

    on_virtual_time(story())


def test_autoscaling_follows_the_advice_within_bounds_and_retires_idle_polls() -> None:
    async def story() -> None:
        queue = Queue()

        async def handle(task: Answer) -> None: ...

        scale = AutoScale(PollerBehaviorAutoscaling(1, 8, 2))
        polls = poller(queue, handle, slots=BoundedSlots(100), scale=scale)
        polls.start()
        await turns()
        assert polls.out == 2
        for name in "ab":
            answer = Answer(task_token=name.encode())
            answer.poller_scaling_decision.poll_request_delta_suggestion = 3
            queue.tasks.put_nowait(answer)
        await turns()
        assert polls.out == 8 and scale.target == 8
        await asyncio.sleep(600)
        assert scale.target == 1 and polls.out == 1
        assert timedelta(seconds=11) in queue.patience
        await polls.stop()

    on_virtual_time(story())


def test_autoscaling_halves_when_the_service_is_crowded() -> None:
    scale = AutoScale(PollerBehaviorAutoscaling(1, 100, 40))
    scale.failed(RPCStatusCode.RESOURCE_EXHAUSTED)
    assert scale.target == 20
    scale.failed(RPCStatusCode.UNAVAILABLE)
    assert scale.target == 19


def test_more_polls_are_not_added_while_no_more_work_comes_in() -> None:
    scale = AutoScale(PollerBehaviorAutoscaling(1, 100, 10))
    for tick in range(20):
        scale.answered(tick * 0.01, True, 0)
    for tick in range(5):
        scale.answered(0.2 + tick * 0.01, True, 0)
    scale.answered(0.31, True, 5)
    assert scale.target == 10


@pytest.mark.parametrize(
    ("polls", "ratio", "normal", "sticky"), [(5, 0.2, 1, 4), (10, 0.5, 5, 5), (1, 0.2, 1, 1), (2, 1, 2, 1)]
)
def test_polls_are_split_between_the_normal_queue_and_the_sticky_one(
    polls: int, ratio: float, normal: int, sticky: int
) -> None:
    assert split(polls, ratio) == (normal, sticky)
