from temporalio.api.filter.v1 import *
