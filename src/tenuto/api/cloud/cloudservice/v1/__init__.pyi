from temporalio.api.cloud.cloudservice.v1 import *
