from temporalio.api.version.v1 import *
