from temporalio.api.replication.v1 import *
