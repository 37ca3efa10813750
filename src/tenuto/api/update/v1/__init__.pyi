from temporalio.api.update.v1 import *
