from temporalio.api.testservice.v1 import *
