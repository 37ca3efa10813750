from temporalio.api.cloud.sink.v1 import *
