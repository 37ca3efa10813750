"""What must always hold, whatever breaks: one object per property.

A checker sees what becomes durable (``committed``), what any node answers (``served``), and the end (``ended``). It must
never take part: nothing here may change the world.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from tenuto.engine import codec
from tenuto.engine.agenda import Agenda
from tenuto.engine.standalone_state import PREFIX
from tenuto.service import tokens
from tenuto.sim.chronicle import Chronicle, News, Story
from tenuto.sim.wording import event_name, nanoseconds
from tenuto.store.spi import Batch, ChainKey
from tenuto.wire import history

Report = Callable[[str, str], None]
"""Called with a property's name and what broke it."""

CLOSING = {
    "WORKFLOW_EXECUTION_COMPLETED": 2,
    "WORKFLOW_EXECUTION_FAILED": 3,
    "WORKFLOW_EXECUTION_CANCELED": 4,
    "WORKFLOW_EXECUTION_TERMINATED": 5,
    "WORKFLOW_EXECUTION_CONTINUED_AS_NEW": 6,
    "WORKFLOW_EXECUTION_TIMED_OUT": 7,
}
"""Closing event -> the status a run then has."""
VIRTUAL = {"WORKFLOW_TASK_SCHEDULED", "WORKFLOW_TASK_STARTED"}


class Checker:
    """Base: sees everything, objects to nothing."""

    name = ""

    def __init__(self, chronicle: Chronicle, report: Report) -> None:
        self.chronicle = chronicle
        self._report = report

    def fail(self, text: str) -> None:
        self._report(self.name, text)

    def acquired(self, shard: int, fence: int, owner: str) -> None: ...

    def committed(self, news: News, now: int) -> None: ...

    def served(self, method: str, request: Any, response: Any) -> None: ...

    def ended(self) -> None: ...


class OneOwner(Checker):
    """Nobody commits under a fence after a newer one was given."""

    name = "one owner"

    def __init__(self, chronicle: Chronicle, report: Report) -> None:
        super().__init__(chronicle, report)
        self._fence: dict[int, int] = {}

    def acquired(self, shard: int, fence: int, owner: str) -> None:
        if fence <= self._fence.get(shard, 0):
            self.fail(f"fence {fence} was given to {owner} after fence {self._fence[shard]}")
        self._fence[shard] = fence

    def committed(self, news: News, now: int) -> None:
        if news.fence != self._fence.get(news.shard):
            self.fail(f"fence {news.fence} committed while {self._fence.get(news.shard)} is in force")


class AppendOnly(Checker):
    """Histories only grow, without gaps, from STARTED to one closing event."""

    name = "append-only history"

    def committed(self, news: News, now: int) -> None:
        for text in news.broken:
            self.fail(text)
        for story, first in news.grown:
            if first == 0 and event_name(story.events[0]) != "WORKFLOW_EXECUTION_STARTED":
                self.fail(f"{story.run_id} begins with {event_name(story.events[0])}")
            for at in range(max(first - 1, 0), len(story.events)):
                closing = event_name(story.events[at]) in CLOSING
                if closing and at != len(story.events) - 1:
                    self.fail(f"{story.run_id} has events after it closed (event {at + 1})")
                if closing and story.open:
                    self.fail(f"{story.run_id} is open after {event_name(story.events[at])}")
            if not story.open and event_name(story.events[-1]) not in CLOSING:
                self.fail(f"{story.run_id} is closed and ends with {event_name(story.events[-1])}")


class OneOpenRun(Checker):
    """A chain has at most one open run, and every former run has closed for good."""

    name = "one open run"

    def committed(self, news: News, now: int) -> None:
        for key in {ChainKey(*chain.key) for chain in news.chains}:
            current = self.chronicle.current[key]
            for story in self.chronicle.runs[key].values():
                if story.open and story.run_id != current:
                    self.fail(f"{key.workflow_id} has {current} and {story.run_id}, both open")


class TimersWait(Checker):
    """A timer fires at its time or later, by the times written in history."""

    name = "timers never fire early"

    def committed(self, news: News, now: int) -> None:
        for story, first in news.grown:
            for event in story.events[first:]:
                if event_name(event) != "TIMER_FIRED":
                    continue
                fired = event.timer_fired_event_attributes
                begun = story.events[fired.started_event_id - 1]
                wanted = nanoseconds(begun.timer_started_event_attributes.start_to_fire_timeout)
                waited = nanoseconds(event.event_time) - nanoseconds(begun.event_time)
                if waited < wanted:
                    self.fail(f"timer {fired.timer_id} of {story.run_id} fired after {waited} of {wanted} ns")


class ActivityOnce(Checker):
    """An attempt of an activity is handed to a worker at most once."""

    name = "attempts start once"

    def __init__(self, chronicle: Chronicle, report: Report) -> None:
        super().__init__(chronicle, report)
        self._seen: set[tuple[str, int, int]] = set()
        self._paused: set[str] = set()
        """Workflow ids with paused activities: an attempt that fails while paused is never the last."""

    def served(self, method: str, request: Any, response: Any) -> None:
        if method == "PauseActivity":
            self._paused.add(request.execution.workflow_id)
        elif method == "PauseActivityExecution":
            self._paused.add(PREFIX + request.activity_id)
        elif method == "PollActivityTaskQueue" and response.task_token:
            self._take(response)
        elif method == "RespondWorkflowTaskCompleted":
            for one in response.activity_tasks:
                self._take(one)

    def _take(self, handed: Any) -> None:
        token = tokens.decode_task(handed.task_token)
        assert isinstance(token, tokens.ActivityToken)
        once = handed.retry_policy.maximum_attempts == 1 and token.workflow_id not in self._paused
        attempt = 1 if once else token.attempt
        name = (token.run_id, token.scheduled_id, attempt)
        if name in self._seen:
            self.fail(
                f"attempt {token.attempt} of activity {token.activity_id} of {token.run_id} started twice"
            )
        self._seen.add(name)


class ReadsArePrefixes(Checker):
    """Whoever reads history reads what is durable, unchanged; only a workflow task's own two events may be virtual."""

    name = "reads are prefixes"

    def served(self, method: str, request: Any, response: Any) -> None:
        if method in {"GetWorkflowExecutionHistory", "GetWorkflowExecutionHistoryReverse"}:
            events = list(response.history.events)
            if method.endswith("Reverse"):
                events.reverse()
            workflow_id, run_id = request.execution.workflow_id, request.execution.run_id
        elif method == "PollWorkflowTaskQueue" and response.task_token:
            events = list(response.history.events)
            workflow_id, run_id = response.workflow_execution.workflow_id, response.workflow_execution.run_id
            if not response.HasField("query"):
                self._check_task(events, response)
        else:
            return
        stories = [
            story
            for key, runs in self.chronicle.runs.items()
            if key.workflow_id == workflow_id
            for story in runs.values()
            if not run_id or story.run_id == run_id
        ]
        if workflow_id in self.chronicle.pruned:
            return
        faults = [self._fault(events, story) for story in stories]
        if events and all(faults):
            self.fail(
                f"{method} of {workflow_id} {run_id}: {faults[0] if faults else 'no such run is durable'}"
            )

    def _check_task(self, events: list[history.HistoryEvent], response: Any) -> None:
        if not response.next_page_token and (not events or events[-1].event_id != response.started_event_id):
            last = events[-1].event_id if events else 0
            self.fail(f"a workflow task started with {response.started_event_id} ends with {last}")

    def _fault(self, events: list[history.HistoryEvent], story: Story) -> str:
        for before, after in pairwise(events):
            if after.event_id != before.event_id + 1:
                return f"event {after.event_id} follows {before.event_id}"
        for event in events:
            if event.event_id <= len(story.events):
                if story.events[event.event_id - 1] != event and event_name(event) not in VIRTUAL:
                    return f"event {event.event_id} differs from what is durable"
            elif event_name(event) not in VIRTUAL:
                return f"event {event.event_id} {event_name(event)} is shown and not durable"
        return ""


class StoredIsLive(Checker):
    """What is stored is what the owner holds in memory, and reloading it derives the same deadlines."""

    name = "stored equals live"

    def __init__(
        self,
        chronicle: Chronicle,
        report: Report,
        owner: Callable[[int], Any],
        stored: Callable[[ChainKey], Any],
    ) -> None:
        super().__init__(chronicle, report)
        self._owner = owner
        self._stored = stored

    def committed(self, news: News, now: int) -> None:
        shard = self._owner(news.fence)
        for chain in news.chains:
            key = ChainKey(*chain.key)
            stored = self._stored(key)
            if shard is None:
                continue  # its owner has died meanwhile; what it wrote was checked against the fence
            latest = shard._last_now
            fresh = Agenda(chain, latest)
            due = fresh.alarm(chain, latest)
            if due is not None and (stored.alarm_at is None or stored.alarm_at > max(due, latest)):
                self.fail(f"{key.workflow_id}: stored alarm {stored.alarm_at}, the state asks for {due}")
            entry = shard._cache._entries.get(key)
            if entry is None or entry.chain is None:
                continue
            self._compare(key, stored, entry)
            live = entry.chain.current.run
            if codec.durable(live) is not live:
                continue  # a speculative workflow task has a deadline of its own, and lives in memory only
            mine, derived = entry.agenda.next_due(entry.chain), fresh.next_due(chain)
            if mine != derived and not 0 < mine <= latest:  # what is due already will be looked at anyway
                self.fail(f"{key.workflow_id}: the next deadline is {mine} live and {derived} as stored")
            if not entry.agenda.ready <= fresh.ready:
                self.fail(f"{key.workflow_id}: ready activities {entry.agenda.ready} against {fresh.ready}")

    def _compare(self, key: ChainKey, stored: Any, entry: Any) -> None:
        header, parts = encoded(entry.chain)
        if header != stored.header:
            self.fail(f"{key.workflow_id}: the stored header is not the live one")
        if parts != stored.parts:
            names = sorted(
                name
                for name in parts.keys() | stored.parts.keys()
                if parts.get(name) != stored.parts.get(name)
            )
            self.fail(f"{key.workflow_id}: stored parts differ from the live ones: {names}")


def encoded(chain: Any) -> tuple[bytes, dict[str, bytes]]:
    """The chain as it should be stored."""
    state = chain.current
    parts: dict[str, bytes] = {"terms": codec.encode_value(state.terms)}
    for letter, table in (
        ("a", state.activities),
        ("t", state.timers),
        ("c", state.children),
        ("e", state.externals),
        ("n", state.nexus),
        ("u", state.updates),
        ("o", chain.out),
        ("z", state.schedule),
    ):
        for name, value in table.items():
            parts[f"{letter}/{name}"] = codec.encode_value(value)
    parts.update({f"s/{name}": b"" for name in state.signal_ids})
    parts.update({f"b/{name}": raw for name, raw in state.buffer.items()})
    return codec.encode_header(chain), parts


class ResultsStay(Checker):
    """How a run ended is told the same way for ever."""

    name = "results never change"

    def __init__(self, chronicle: Chronicle, report: Report) -> None:
        super().__init__(chronicle, report)
        self._told: dict[tuple[str, str], int] = {}

    def served(self, method: str, request: Any, response: Any) -> None:
        if method != "DescribeWorkflowExecution":
            return
        shown = response.workflow_execution_info
        if shown.status <= 1:
            return
        name = (shown.execution.workflow_id, shown.execution.run_id)
        before = self._told.setdefault(name, shown.status)
        if before != shown.status:
            self.fail(f"{name} was told to have status {before} and now {shown.status}")
        for key, runs in self.chronicle.runs.items():
            story = runs.get(name[1]) if key.workflow_id == name[0] else None
            if story is not None and CLOSING.get(event_name(story.events[-1])) != shown.status:
                self.fail(f"{name} is told to have status {shown.status} and ends otherwise")


class EverythingEnds(Checker):
    """After healing, every run closes and nothing is owed any more."""

    name = "everything ends"

    def __init__(self, chronicle: Chronicle, report: Report, unfinished: Callable[[], list[str]]) -> None:
        super().__init__(chronicle, report)
        self._unfinished = unfinished

    def ended(self) -> None:
        left = self._unfinished()
        if left:
            self.fail("; ".join(left[:5]))


class All:
    """Every checker, as one witness."""

    def __init__(self, chronicle: Chronicle, checkers: list[Checker], clock: Callable[[], int]) -> None:
        self.chronicle = chronicle
        self.checkers = checkers
        self._clock = clock

    def acquired(self, shard: int, fence: int, owner: str) -> None:
        for checker in self.checkers:
            checker.acquired(shard, fence, owner)

    def committed(self, shard: int, fence: int, batch: Batch) -> None:
        news = self.chronicle.read(shard, fence, batch)
        now = self._clock()
        for checker in self.checkers:
            checker.committed(news, now)

    def served(self, node: str, method: str, request: Any, response: Any) -> None:
        for checker in self.checkers:
            checker.served(method, request, response)

    def refused(self, node: str, method: str, request: Any, error: Any) -> None:
        """Refusals promise nothing."""

    def ended(self) -> None:
        for checker in self.checkers:
            checker.ended()
