from temporalio.api.nexusservices.workerservice.v1 import *
