from temporalio.api.cloud.auditlog.v1 import *
