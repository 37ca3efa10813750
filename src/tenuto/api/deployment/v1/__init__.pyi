from temporalio.api.deployment.v1 import *
