"""How something is tried again. This file must never decide a delay: the service and the worker do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tenuto.common.durations import Duration, as_timedelta

if TYPE_CHECKING:
    from tenuto.wire import common

_ONE_SECOND = timedelta(seconds=1)
_ZERO = timedelta()


@dataclass
class RetryPolicy:
    """How an activity or a workflow is tried again. Intervals may be given as timedelta or as seconds (int, float);
    they are always read as timedelta. Mistakes are found when the policy is put to use: ValueError."""

    initial_interval: timedelta = _ONE_SECOND
    """Delay before the second attempt."""
    backoff_coefficient: float = 2.0
    """What the delay is multiplied with from attempt to attempt, at least 1."""
    maximum_interval: timedelta | None = None
    """No delay is longer. None: 100 times ``initial_interval``."""
    maximum_attempts: int = 0
    """How often to try in all. 0: no bound. 1: no second attempt."""
    non_retryable_error_types: Sequence[str] | None = None
    """Types of `tenuto.exceptions.ApplicationError` (for other errors, class names) that are not tried again."""

    if TYPE_CHECKING:

        def __init__(
            self,
            initial_interval: Duration = _ONE_SECOND,
            backoff_coefficient: float = 2.0,
            maximum_interval: Duration | None = None,
            maximum_attempts: int = 0,
            non_retryable_error_types: Sequence[str] | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        self.initial_interval = as_timedelta(self.initial_interval)
        if self.maximum_interval is not None:
            self.maximum_interval = as_timedelta(self.maximum_interval)

    @staticmethod
    def from_proto(proto: common.RetryPolicy) -> RetryPolicy:
        """What ``proto`` says."""
        return RetryPolicy(
            initial_interval=proto.initial_interval.ToTimedelta(),
            backoff_coefficient=proto.backoff_coefficient,
            maximum_interval=proto.maximum_interval.ToTimedelta()
            if proto.HasField("maximum_interval")
            else None,
            maximum_attempts=proto.maximum_attempts,
            non_retryable_error_types=list(proto.non_retryable_error_types) or None,
        )

    def apply_to_proto(self, proto: common.RetryPolicy) -> None:
        """Write this policy over ``proto``. Raises ValueError when it makes no sense."""
        longest = self._checked_maximum()
        proto.initial_interval.FromTimedelta(self.initial_interval)
        proto.backoff_coefficient = self.backoff_coefficient
        proto.maximum_interval.FromTimedelta(longest)
        proto.maximum_attempts = self.maximum_attempts
        if self.non_retryable_error_types:
            proto.non_retryable_error_types.extend(self.non_retryable_error_types)

    def to_proto(self) -> common.RetryPolicy:
        """This policy as a message. Raises ValueError when it makes no sense."""
        from tenuto.wire import common

        proto = common.RetryPolicy()
        self.apply_to_proto(proto)
        return proto

    def _checked_maximum(self) -> timedelta:
        """The longest delay; raises ValueError unless all fields make sense. A policy of one attempt is not looked at
        any closer: its delays are never used."""
        longest = self.initial_interval * 100 if self.maximum_interval is None else self.maximum_interval
        if self.maximum_attempts == 1:
            return longest
        if self.initial_interval < _ZERO:
            raise ValueError("Initial interval cannot be negative")
        if self.backoff_coefficient < 1:
            raise ValueError("Backoff coefficient cannot be less than 1")
        if longest < _ZERO:
            raise ValueError("Maximum interval cannot be negative")
        if longest < self.initial_interval:
            raise ValueError("Maximum interval cannot be less than initial interval")
        if self.maximum_attempts < 0:
            raise ValueError("Maximum attempts cannot be negative")
        return longest
