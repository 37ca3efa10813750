from temporalio.api.callback.v1 import *
