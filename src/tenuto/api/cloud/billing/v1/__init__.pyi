from temporalio.api.cloud.billing.v1 import *
