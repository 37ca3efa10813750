from temporalio.api.cloud.namespace.v1 import *
