from temporalio.api.operatorservice.v1 import *
