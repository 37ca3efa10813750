from temporalio.api.nexusoperation.v1 import *
