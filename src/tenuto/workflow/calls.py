"""What runs call to turn a call into a command. The code is in `activities` and `children`."""

from tenuto.workflow.activities import call_activity as call_activity
from tenuto.workflow.children import call_workflow as call_workflow
from tenuto.workflow.children import signal_name_and_args as signal_name_and_args
