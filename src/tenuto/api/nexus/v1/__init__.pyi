from temporalio.api.nexus.v1 import *
