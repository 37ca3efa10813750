from temporalio.api.taskqueue.v1 import *
