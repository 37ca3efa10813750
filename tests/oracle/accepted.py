"""Differences between the servers that are known and wanted, each with its reason.

Keep every pattern as narrow as it can be.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Accepted:
    """Lines matching regex `line` are left out on both sides in scenarios matching the glob `scenario`."""

    scenario: str
    line: str
    reason: str


ACCEPTED: tuple[Accepted, ...] = (
    Accepted(
        "reset_with_repeated_request_id",
        "",
        "A reset that a client repeats with its request id, because the answer was lost, is not done twice; the "
        "reference service means to do so too but compares with the id of the start (execution-semantics 7).",
    ),
    Accepted(
        "listing_by_attribute",
        "",
        "Lists are filtered by workflow id, run id, type and status only, for now; every other filter is refused.",
    ),
    Accepted(
        "listing_errors",
        r"invalid query: (malformed SQL query|invalid expression: invalid value type|operation is not supported: filter on)",
        "What is wrong with a filter is said in terms of what filters may be here.",
    ),
    Accepted(
        "listing_errors",
        r"UNKNOWN: something went wrong, please retry|INVALID_ARGUMENT: Invalid NextPageToken\.",
        "A page token that was never handed out is the caller's mistake, not the server's.",
    ),
    Accepted(
        "query_nobody_answers",
        r"!! DEADLINE_EXCEEDED: ",
        "The answer leaves a little before the caller gives up, so that it can say that no worker answered.",
    ),
    Accepted(
        "re*_failures",
        r"^\s+start_to_close_timeout: (<jittered>|15s|30s)$",
        "The time a failing task is given grows without jitter: nobody would be hit by many ending at once.",
    ),
    Accepted(
        "corner_signal_with_start_repeated_after_reset",
        "",
        "A client that repeats its request, because the answer was lost, signals once also when a reset came between; "
        "the reference service forgets which signals the history before the cut holds.",
    ),
    Accepted(
        "namespace_*",
        r"^\s+(standalone_activity_batch_operations): true$",
        "Operations on many activities at once are not offered yet, and clients are told so.",
    ),
    Accepted(
        "namespace_*",
        r"^\s+workflow_task_completion_size_limit_error: 41943040$",
        "A workflow task is completed in one message; completions in pages, which this bounds, are not taken.",
    ),
    Accepted(
        "nexus_endpoint_life",
        r"^\s+created_time: <time>$",
        "An endpoint that was changed still says when it was made.",
    ),
    Accepted(
        "nexus_endpoint_mistakes",
        r"INTERNAL: error listing Nexus endpoints|INVALID_ARGUMENT: Invalid NextPageToken\.",
        "A page token that was never handed out is the caller's mistake, not the server's.",
    ),
    Accepted(
        "system_shape",
        r"^\s+server_scaled_deployments: true$",
        "Features that are not offered yet.",
    ),
    Accepted(
        "task_queue_shapes",
        r"^\s+/_sys/tq-task_queue_shapes-SALT/[123]$",
        "A task queue here is one partition; the reference service has four.",
    ),
)
