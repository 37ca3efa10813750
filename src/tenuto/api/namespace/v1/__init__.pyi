from temporalio.api.namespace.v1 import *
