from temporalio.api.schedule.v1 import *
