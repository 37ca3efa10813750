from temporalio.api.protometa.v1 import *
