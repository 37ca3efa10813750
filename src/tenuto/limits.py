"""Every bound in the system, in one place, with its unit in its name.

Defaults are those a Temporal service of version 1.32 enforces, so that clients meet the same walls. This room knows nobody.
"""

from dataclasses import dataclass

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
YEAR = 365 * DAY
KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one service. Durations in nanoseconds, sizes in bytes."""

    id_bytes: int = 1000
    build_id_bytes: int = 255
    blob_bytes: int = 2 * MIB
    memo_bytes: int = 2 * MIB
    message_bytes: int = 4 * MIB
    transaction_bytes: int = 4 * MIB
    user_metadata_summary_bytes: int = 400
    user_metadata_details_bytes: int = 20_000
    search_attribute_keys: int = 100
    search_attribute_value_bytes: int = 2 * KIB
    search_attribute_total_bytes: int = 40 * KIB
    links_per_request: int = 10
    link_bytes: int = 4000
    callbacks_per_workflow: int = 2000
    callback_url_bytes: int = 1000
    callbacks_per_update: int = 32

    history_suggest_bytes: int = 4 * MIB
    history_suggest_events: int = 4096
    history_bytes: int = 50 * MIB
    history_events: int = 51_200
    state_bytes: int = 8 * MIB
    retained_failure_bytes: int = 4 * KIB

    pending_activities: int = 2000
    pending_children: int = 2000
    pending_signals: int = 2000
    pending_cancels: int = 2000
    pending_nexus: int = 30
    nexus_name_bytes: int = 1000
    nexus_token_bytes: int = 4096
    nexus_header_bytes: int = 8 * KIB
    nexus_attempt_ns: int = 10 * SECOND
    """How long one attempt to reach a handler may take, from the offer to the answer."""
    signals_per_run: int = 10_000
    buffered_events: int = 100
    buffered_bytes: int = 2 * MIB
    buffered_queries: int = 1
    updates_in_flight: int = 10
    updates_in_flight_bytes: int = 20 * MIB
    updates_per_run: int = 2000
    updates_suggest: int = 1800
    reset_points: int = 20

    history_page: int = 256
    """Batches a page."""
    long_poll_ns: int = 20 * SECOND
    task_poll_ns: int = 60 * SECOND
    task_poll_minimum_ns: int = 2 * SECOND
    poll_tailroom_ns: int = 1 * SECOND

    task_timeout_ns: int = 10 * SECOND
    """Default workflow task start-to-close."""
    task_timeout_maximum_ns: int = 120 * SECOND
    task_heartbeat_ns: int = 30 * MINUTE
    task_retry_first_ns: int = 5 * SECOND
    task_retry_maximum_ns: int = 10 * MINUTE
    task_attempts_before_growth: int = 3
    task_attempts_fail_fast: int = 3
    task_problems_reported: int = 5
    sticky_poller_gone_ns: int = 10 * SECOND
    speculative_schedule_to_start_ns: int = 5 * SECOND
    speculative_extra_events: int = 10

    retry_initial_ns: int = 1 * SECOND
    retry_coefficient: float = 2.0
    retry_maximum_factor: int = 100
    chain_spacing_ns: int = 1 * SECOND
    """Least time between the execution times of two runs of a chain."""
    duration_ns: int = 100 * YEAR
    retention_ns: int = 24 * HOUR
    retention_minimum_ns: int = 1 * HOUR


LIMITS = Limits()
