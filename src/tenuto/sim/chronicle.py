"""What has become durable, told from outside: every run's committed history, and the current run of every chain.

Derived from the disk alone, by reading what each commit made visible; it is the truth that answers are held against.
"""

from dataclasses import dataclass, field

from tenuto.engine import codec
from tenuto.engine.chain import Chain, Run
from tenuto.sim.disk import WatchedDisk
from tenuto.store.batch import follow_rows
from tenuto.store.spi import Batch, ChainKey
from tenuto.wire import history


@dataclass(slots=True)
class Story:
    """One run."""

    key: ChainKey
    run_id: str
    events: list[history.HistoryEvent] = field(default_factory=list)
    open: bool = True
    order: int = 0
    """The how manyeth run of its chain."""
    deleted: bool = False
    """A client had it deleted; its events are remembered here alone."""


@dataclass(slots=True)
class News:
    """What one commit changed."""

    shard: int
    fence: int
    batch: Batch
    chains: list[Chain]
    """As stored now, decoded."""
    grown: list[tuple[Story, int]]
    """Runs with new events, and the index of the first new one."""
    broken: list[str] = field(default_factory=list)
    """What cannot be: rows that change committed events, gaps."""


class Chronicle:
    """All stories. Feed it with ``read`` after each commit."""

    def __init__(self, disk: WatchedDisk) -> None:
        self._disk = disk
        self.runs: dict[ChainKey, dict[str, Story]] = {}
        self.current: dict[ChainKey, str] = {}
        self.pruned: set[str] = set()
        """Workflow ids of which runs were deleted: nothing is promised about them any more."""

    def stories(self) -> list[Story]:
        return [story for runs in self.runs.values() for story in runs.values()]

    def read(self, shard: int, fence: int, batch: Batch) -> News:
        news = News(shard, fence, batch, [], [])
        self._check_rewrites(batch, news)
        for record in batch.runs:
            if record.record is not None:
                run = codec.decode_closed(record.record).run
                self._grow(shard, record.key, run, news)
            else:
                self._delete(record.key, record.run_id)
        place = self._disk.shard(shard)
        for write in batch.chains:
            stored = place.chains.get(write.key)
            if stored is None:
                continue
            chain = codec.decode_chain(write.key, stored.header, stored.parts)
            news.chains.append(chain)
            self._grow(shard, write.key, chain.current.run, news)
            self.current[write.key] = chain.current.run.run_id
        return news

    def _delete(self, key: ChainKey, run_id: str) -> None:
        self.pruned.add(key.workflow_id)
        story = self.runs.get(key, {}).get(run_id)
        if story is not None:
            story.deleted, story.open = True, False

    def _check_rewrites(self, batch: Batch, news: News) -> None:
        for write in batch.history:
            story = self.runs.get(write.key, {}).get(write.run_id)
            if story is None:
                continue
            for row in write.rows:
                if row.first_event_id > len(story.events):
                    continue
                fresh = list(history.History.FromString(row.events).events)
                known = story.events[row.first_event_id - 1 : row.last_event_id]
                if fresh[: len(known)] != known:
                    news.broken.append(
                        f"{_name(story)}: events {row.first_event_id}..{row.last_event_id} were rewritten"
                    )

    def _grow(self, shard: int, key: ChainKey, run: Run, news: News) -> None:
        runs = self.runs.setdefault(key, {})
        story = runs.get(run.run_id)
        if story is None:
            story = runs[run.run_id] = Story(key, run.run_id, order=len(runs))
        known, last = len(story.events), run.next_event_id - 1
        if story.deleted:
            return
        story.open = run.open
        if last < known:
            news.broken.append(f"{_name(story)}: had {known} events and now has {last}")
            return
        if last == known:
            return
        rows = self._disk.shard(shard).history.get((key, run.run_id), {})
        fresh: list[history.HistoryEvent] = []
        for row in follow_rows(list(rows.values()), known + 1, last):
            fresh += history.History.FromString(row.events).events
        fresh = [event for event in fresh if known < event.event_id <= last]
        if [event.event_id for event in fresh] != list(range(known + 1, last + 1)):
            ids = [event.event_id for event in fresh]
            news.broken.append(f"{_name(story)}: events {known + 1}..{last} are stored as {ids}")
            return
        story.events += fresh
        news.grown.append((story, known))


def _name(story: Story) -> str:
    return f"{story.key.workflow_id}/{story.run_id[:8]}"
