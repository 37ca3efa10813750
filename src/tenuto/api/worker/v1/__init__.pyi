from temporalio.api.worker.v1 import *
