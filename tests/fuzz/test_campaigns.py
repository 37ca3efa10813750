"""Tens of thousands of requests from a few seeds, over every RPC, and what must hold of every answer and at the end."""

from collections.abc import Iterator

import pytest

from tenuto.limits import HOUR, MINUTE
from tenuto.service.namespaces import DELETED
from tests.fuzz.campaign import Campaign, started
from tests.fuzz.world import World

STEPS = 8_000
SEEDS = (1, 2, 3, 4)


@pytest.fixture(scope="module", params=SEEDS)
def campaign(request: pytest.FixtureRequest) -> Iterator[Campaign]:
    """A campaign that is over: every answer had the properties, or this would have raised."""
    made = Campaign(World(request.param), request.param)
    made.record()
    for _ in range(STEPS):
        made.step()
    yield made
    made.world.close()


_accepted: list[set[str]] = []
"""What each campaign has done with success."""


def test_every_method_is_called_and_most_of_them_with_success(campaign: Campaign) -> None:
    assert sum(campaign.tally.values()) >= STEPS
    assert not [method for method in campaign.methods if not campaign.tally[method]]
    offered = {method for method in campaign.methods if campaign.world.service.offers(method)}
    _accepted.append({method for method in offered if campaign.corpus[method]})
    # One campaign may be unlucky; all together leave out only what needs a state that chance does not make.
    assert len(_accepted[-1]) > 0.6 * len(offered)
    if len(_accepted) == len(SEEDS):
        ever = set[str]().union(*_accepted)
        assert len(ever) > 0.85 * len(offered), sorted(offered - ever)


def test_nothing_is_left_behind_when_nobody_waits(campaign: Campaign) -> None:
    campaign.world.pass_time(2 * MINUTE)
    left = {what: count for what, count in campaign.world.sizes().items() if count}
    assert not left


def test_queues_that_nobody_uses_are_forgotten(campaign: Campaign) -> None:
    campaign.world.pass_time(2 * HOUR)
    queues = list(campaign.world.matching._queues.values())
    idle = [queue for queue in queues if not queue.count and not queue._rules.weights]
    unlimited = [queue.key for queue in idle if queue.queue_rate is None and queue.fairness_rate is None]
    assert len(unlimited) <= 8, unlimited
    assert len(campaign.world.matching._tickets) == sum(queue.count for queue in queues)
    assert len(campaign.world.clock.pending) < 5_000


def test_a_node_that_starts_from_the_disk_says_what_the_old_one_said(campaign: Campaign) -> None:
    world = campaign.world
    world.run(world.shard._recover(RuntimeError("memory is thrown away on purpose")))
    world.complaints.heard.clear()
    campaign.record()
    for _ in range(300):
        campaign.step()


def test_a_namespace_deleted_under_all_that_goes_on_takes_its_runs_along(campaign: Campaign) -> None:
    world = campaign.world
    campaign.scorch = True
    gone = world.namespaces.named("default").id
    kind = world.kinds["DeleteNamespace"]
    assert not world.call("DeleteNamespace", kind(namespace="default")).refused
    for _ in range(500):
        campaign.step()
    world.pass_time(MINUTE)
    assert not [key for key in world.disk.shard(0).chains if key.namespace_id == gone]
    known = [known for known in world.namespaces.listed() if known.id == gone]
    assert all(one.record.state == DELETED for one in known)
    assert world.call("StartWorkflowExecution", started("w", "q")).refused
