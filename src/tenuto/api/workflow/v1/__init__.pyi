from temporalio.api.workflow.v1 import *
