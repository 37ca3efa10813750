from temporalio.api.rules.v1 import *
