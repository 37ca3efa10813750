from temporalio.api.activity.v1 import *
