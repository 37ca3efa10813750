from temporalio.api.cloud.resource.v1 import *
