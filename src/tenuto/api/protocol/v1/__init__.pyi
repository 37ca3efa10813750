from temporalio.api.protocol.v1 import *
