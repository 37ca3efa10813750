from temporalio.api.cluster.v1 import *
