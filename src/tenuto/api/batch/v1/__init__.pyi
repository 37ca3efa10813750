from temporalio.api.batch.v1 import *
