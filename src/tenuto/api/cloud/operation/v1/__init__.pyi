from temporalio.api.cloud.operation.v1 import *
