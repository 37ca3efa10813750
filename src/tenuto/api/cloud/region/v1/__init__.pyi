from temporalio.api.cloud.region.v1 import *
