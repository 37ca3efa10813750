from temporalio.api.cloud.nexus.v1 import *
