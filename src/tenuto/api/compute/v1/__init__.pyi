from temporalio.api.compute.v1 import *
