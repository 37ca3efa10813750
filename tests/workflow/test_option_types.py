"""Libraries read the types of option dictionaries at run time: every name in them must be there to be found."""

from typing import get_type_hints

import pytest

from tenuto.workflow import ActivityConfig, ChildWorkflowConfig, LocalActivityConfig


@pytest.mark.parametrize("options", [ActivityConfig, ChildWorkflowConfig, LocalActivityConfig])
def test_the_types_of_options_can_be_read_at_run_time(options: type) -> None:
    assert "retry_policy" in get_type_hints(options)
