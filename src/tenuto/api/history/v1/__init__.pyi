from temporalio.api.history.v1 import *
