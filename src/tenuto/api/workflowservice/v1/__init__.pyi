from temporalio.api.workflowservice.v1 import *
