from temporalio.api.failure.v1 import *
