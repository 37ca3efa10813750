from temporalio.api.notificationservice.v1 import *
