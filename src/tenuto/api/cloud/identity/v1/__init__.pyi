from temporalio.api.cloud.identity.v1 import *
