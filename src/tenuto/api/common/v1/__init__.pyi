from temporalio.api.common.v1 import *
