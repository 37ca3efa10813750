from temporalio.api.cloud.connectivityrule.v1 import *
