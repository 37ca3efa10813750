from temporalio.api.errordetails.v1 import *
