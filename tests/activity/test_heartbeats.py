"""Heartbeats and what comes back with them: throttling, cancellation, pauses, and what is told in the end."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tenuto import activity
from tenuto.activity import ActivityCancellationDetails
from tenuto.converter import DataConverter, PayloadCodec
from tenuto.exceptions import ApplicationError, CancelledError
from tenuto.wire import common, workflowservice
from tenuto.worker.heartbeats import Heartbeats, interval_of

from .house import House, open_house, payloads, virtually

TEN = timedelta(seconds=10)
REASONS: list[ActivityCancellationDetails | None] = []


@activity.defn
async def beat_for_ever(details: str = "x") -> str:
    try:
        while True:
            activity.heartbeat(details)
            await asyncio.sleep(1)
    except asyncio.CancelledError:
        REASONS.append(activity.cancellation_details())
        raise


@activity.defn
async def swallow() -> str:
    try:
        while True:
            activity.heartbeat()
            await asyncio.sleep(1)
    except asyncio.CancelledError:
        return "done anyway"


@pytest.mark.parametrize(("heartbeat", "interval"), [(0, 30), (10, 8), (100, 60), (0.5, 0.4)])
def test_the_interval_follows_from_the_timeout(heartbeat: float, interval: float) -> None:
    assert interval_of(heartbeat, 30, 60) == pytest.approx(interval)


class _Line:
    """What a Heartbeats sends, with the time."""

    def __init__(self, **options: Any) -> None:
        self.sent: list[tuple[float, list[bytes]]] = []
        self.cancelled: list[ActivityCancellationDetails] = []
        self.loop = asyncio.get_running_loop()
        self.latency = 0.0
        options = {"interval": 8.0, "timeout": 10.0, "known": [], **options}
        self.beats = Heartbeats(send=self._send, cancel=self.cancelled.append, broken=self._broken, **options)

    def _broken(self, error: BaseException) -> None:
        raise error

    async def _send(self, details: Any) -> workflowservice.RecordActivityTaskHeartbeatResponse:
        self.sent.append((self.loop.time(), [one.data for one in details]))
        await asyncio.sleep(self.latency)
        return workflowservice.RecordActivityTaskHeartbeatResponse()

    def offer(self, value: int) -> None:
        self.beats.offer(payloads([value]), True)


def test_the_first_goes_at_once_then_one_per_interval_with_the_newest_details() -> None:
    async def story() -> list[tuple[float, list[bytes]]]:
        line = _Line()
        for second in range(20):
            line.offer(second)
            await asyncio.sleep(1)
        line.beats.close()
        return line.sent

    assert virtually(story) == [(0, [b"0"]), (8, [b"7"]), (16, [b"15"])]


def test_after_a_quiet_interval_the_next_goes_at_once() -> None:
    async def story() -> list[tuple[float, list[bytes]]]:
        line = _Line()
        line.offer(1)
        await asyncio.sleep(20)
        line.offer(2)
        await asyncio.sleep(1)
        line.beats.close()
        return line.sent

    assert virtually(story) == [(0, [b"1"]), (20, [b"2"])]


def test_a_slow_service_gets_one_at_a_time() -> None:
    async def story() -> list[tuple[float, list[bytes]]]:
        line = _Line()
        line.latency = 5
        for second in range(20):
            line.offer(second)
            await asyncio.sleep(1)
        line.beats.close()
        return line.sent

    assert virtually(story) == [(0, [b"0"]), (13, [b"12"])]


def test_what_was_not_sent_is_handed_back_in_the_end() -> None:
    async def story() -> tuple[Any, Any]:
        line = _Line()
        line.offer(1)
        await asyncio.sleep(1)
        line.offer(2)
        left = line.beats.close()
        quiet = _Line()
        quiet.offer(1)
        await asyncio.sleep(1)
        return left, quiet.beats.close()

    left, none = virtually(story)
    assert [one.data for one in left] == [b"2"]
    assert none is None


def test_automatic_heartbeats_repeat_the_newest_details() -> None:
    async def story() -> list[tuple[float, list[bytes]]]:
        line = _Line(known=payloads([0]))
        line.beats.begin_automatic()
        await asyncio.sleep(9)
        line.offer(1)
        await asyncio.sleep(20)
        line.beats.close()
        return line.sent

    assert virtually(story) == [(8, [b"0"]), (16, [b"1"]), (24, [b"1"])]


def test_silence_for_longer_than_the_timeout_means_timed_out() -> None:
    async def story() -> tuple[float, list[ActivityCancellationDetails]]:
        line = _Line()
        line.offer(1)
        while not line.cancelled:  # noqa: ASYNC110 - in virtual time
            await asyncio.sleep(0.5)
        return line.loop.time(), line.cancelled

    assert virtually(story) == (15, [ActivityCancellationDetails(timed_out=True)])


def test_looking_for_silence_is_over_when_what_is_left_is_less_than_a_clock_can_tell() -> None:
    async def story() -> list[ActivityCancellationDetails]:
        line = _Line()
        line.beats._beat_at += 3e-10
        await asyncio.sleep(30)
        return line.cancelled

    assert virtually(story) == [ActivityCancellationDetails(timed_out=True)]


# ---- against the service -----------------------------------------------------------------------------------------------


async def _begin(house: House, *functions: Any, **options: Any) -> tuple[str, "asyncio.Task[None]", Any]:
    activities = house.activities(*functions)
    name = activity.Definition.must(functions[0]).name
    assert name is not None
    options.setdefault("heartbeat_timeout", TEN)
    workflow_id = await house.schedule(name, **options)
    task = asyncio.ensure_future(activities.run(await house.task()))
    await asyncio.sleep(0)
    return workflow_id, task, activities


def test_a_cancelled_activity_learns_it_with_its_next_heartbeat() -> None:
    async def story() -> str:
        REASONS.clear()
        async with open_house() as house:
            workflow_id, task, _ = await _begin(house, beat_for_ever)
            await asyncio.sleep(3)
            await house.cancel(workflow_id)
            await task
            assert asyncio.get_running_loop().time() == pytest.approx(8, abs=0.5)
            return (await house.end(workflow_id)).kind

    assert virtually(story) == "CANCELED"
    assert [ActivityCancellationDetails(cancel_requested=True)] == REASONS


def test_details_of_a_cancellation_reach_the_history() -> None:
    @activity.defn
    async def clean_up() -> None:
        try:
            while True:
                activity.heartbeat()
                await asyncio.sleep(1)
        except asyncio.CancelledError:
            raise CancelledError("bye", "cleaned") from None

    async def story() -> Any:
        async with open_house() as house:
            workflow_id, task, _ = await _begin(house, clean_up)
            await house.cancel(workflow_id)
            await task
            return (await house.end(workflow_id)).attributes.details.payloads[0].data

    assert virtually(story) == b'"cleaned"'


def test_an_activity_may_complete_in_spite_of_its_cancellation() -> None:
    async def story() -> Any:
        async with open_house() as house:
            workflow_id, task, _ = await _begin(house, swallow)
            await house.cancel(workflow_id)
            await task
            return (await house.end(workflow_id)).result

    assert virtually(story) == "done anyway"


@pytest.mark.parametrize(
    ("method", "kind"), [("PauseActivity", "ActivityPause"), ("ResetActivity", "ActivityReset")]
)
def test_a_paused_or_reset_attempt_fails_and_is_not_the_last(method: str, kind: str) -> None:
    async def story() -> Any:
        REASONS.clear()
        async with open_house() as house:
            workflow_id, task, _ = await _begin(house, beat_for_ever, attempts=5)
            await house.call(method, execution={"workflow_id": workflow_id}, id="a", identity="me")
            await task
            return await house.pending(workflow_id)

    pending = virtually(story)
    assert pending.last_failure.application_failure_info.type == kind
    assert [
        ActivityCancellationDetails(paused=kind == "ActivityPause", reset=kind == "ActivityReset")
    ] == REASONS


def test_an_activity_that_is_gone_is_cancelled_and_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        REASONS.clear()
        async with open_house() as house:
            workflow_id, task, _ = await _begin(house, beat_for_ever)
            await house.call("TerminateWorkflowExecution", workflow_execution={"workflow_id": workflow_id})
            await task

    virtually(story)
    assert [ActivityCancellationDetails(not_found=True)] == REASONS
    assert "not found on completion" not in caplog.text


def test_an_activity_that_takes_too_long_is_cancelled_here_too() -> None:
    @activity.defn
    async def sleep() -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            REASONS.append(activity.cancellation_details())
            raise

    async def story() -> tuple[str, float]:
        REASONS.clear()
        async with open_house() as house:
            activities = house.activities(sleep)
            end = await house.run(activities, "sleep", start_to_close_timeout=timedelta(seconds=20))
            return end.kind, asyncio.get_running_loop().time()

    assert virtually(story) == ("TIMED_OUT", 25)
    assert [ActivityCancellationDetails(timed_out=True)] == REASONS


def test_the_worker_heartbeats_for_activities_of_new_style() -> None:
    @activity
    async def quiet() -> str:
        await asyncio.sleep(95)
        return "alive"

    async def story() -> Any:
        async with open_house() as house:
            activities = house.activities(quiet)
            return (await house.run(activities, "quiet", heartbeat_timeout=TEN)).result

    assert virtually(story) == "alive"


def test_without_heartbeats_the_service_gives_it_up() -> None:
    @activity(auto_heartbeat=False)
    async def quiet() -> str:
        await asyncio.sleep(95)
        return "alive"

    async def story() -> Any:
        async with open_house() as house:
            return (await house.run(house.activities(quiet), "quiet", heartbeat_timeout=TEN)).kind

    assert virtually(story) == "TIMED_OUT"


def test_the_newest_details_go_with_a_failure_and_reach_the_next_attempt() -> None:
    seen: list[Any] = []

    @activity.defn
    async def progress() -> None:
        seen.append(list(activity.info().heartbeat_details))
        activity.heartbeat("first", 1)
        await asyncio.sleep(0.01)
        activity.heartbeat("second", 2)
        raise ApplicationError("again", next_retry_delay=timedelta(seconds=1))

    async def story() -> None:
        async with open_house() as house:
            activities = house.activities(progress)
            await house.schedule("progress", attempts=2, heartbeat_timeout=TEN)
            await activities.run(await house.task())
            await activities.run(await house.task())

    virtually(story)
    assert seen == [[], ["second", 2]]


class _Rot(PayloadCodec):
    """Turns bytes around, and refuses what says so."""

    async def encode(self, payloads: Any) -> list[common.Payload]:
        if any(b"refuse" in one.data for one in payloads):
            raise RuntimeError("not this one")
        return [
            common.Payload(metadata={"encoding": b"x"}, data=one.SerializeToString()[::-1])
            for one in payloads
        ]

    async def decode(self, payloads: Any) -> list[common.Payload]:
        return [common.Payload.FromString(one.data[::-1]) for one in payloads]


def test_a_codec_sees_arguments_results_and_heartbeats() -> None:
    @activity.defn
    async def work(value: str) -> Any:
        details = list(activity.info().heartbeat_details)
        activity.heartbeat(f"{value}!")
        await asyncio.sleep(1)
        if not details:
            raise ApplicationError("again", "why", next_retry_delay=timedelta(seconds=1))
        return [value, details]

    async def story() -> Any:
        converter = DataConverter(payload_codec=_Rot())
        async with open_house(converter=converter) as house:
            activities = house.activities(work)
            workflow_id = await house.schedule("work", "in", attempts=2)
            await activities.run(await house.task())
            pending = await house.pending(workflow_id)
            assert pending.heartbeat_details.payloads[0].metadata["encoding"] == b"x"
            told = pending.last_failure.application_failure_info.details.payloads[0]
            assert told.metadata["encoding"] == b"x"
            await activities.run(await house.task())
            end = await house.end(workflow_id)
            return await converter.decode(end.attributes.result.payloads)

    assert virtually(story) == [["in", ["in!"]]]


def test_heartbeats_that_cannot_be_sent_end_the_activity() -> None:
    async def story() -> Any:
        async with open_house(converter=DataConverter(payload_codec=_Rot())) as house:
            activities = house.activities(refused)
            workflow_id = await house.schedule("refused")
            await activities.run(await house.task())
            return (await house.end(workflow_id)).failure

    assert virtually(story).message == "not this one"


@activity.defn
async def refused() -> None:
    activity.heartbeat("refuse me")
    await asyncio.sleep(60)


def test_shutdown_is_told_first_and_ends_what_goes_on_after_the_grace() -> None:
    seen: list[str] = []

    @activity.defn
    async def polite() -> str:
        await activity.wait_for_worker_shutdown()
        return "went home"

    @activity.defn
    async def stubborn() -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            seen.append(str(activity.cancellation_details()))
            raise

    async def story() -> tuple[Any, Any, float]:
        async with open_house() as house:
            activities = house.activities(polite, stubborn)
            first = await house.schedule("polite")
            one = asyncio.ensure_future(activities.run(await house.task()))
            second = await house.schedule("stubborn", start_to_close_timeout=timedelta(seconds=2000))
            other = asyncio.ensure_future(activities.run(await house.task()))
            await asyncio.sleep(1)
            await activities.drain(timedelta(seconds=5))
            assert activities.running == 0
            await asyncio.gather(one, other)
            now = asyncio.get_running_loop().time()
            return (await house.end(first)).result, (await house.end(second)).failure, now

    result, failure, now = virtually(story)
    assert (result, now) == ("went home", 6)
    assert failure.application_failure_info.type == "WorkerShutdown"
    assert seen == [str(ActivityCancellationDetails(worker_shutdown=True))]


def test_a_worker_that_is_torn_down_reports_nothing() -> None:
    async def story() -> Any:
        async with open_house() as house:
            workflow_id, task, _ = await _begin(house, beat_for_ever)
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return (await house.pending(workflow_id)).attempt

    assert virtually(story) == 1
