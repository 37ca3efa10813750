from temporalio.api.cloud.account.v1 import *
