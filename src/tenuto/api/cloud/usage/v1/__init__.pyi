from temporalio.api.cloud.usage.v1 import *
