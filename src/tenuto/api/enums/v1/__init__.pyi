from temporalio.api.enums.v1 import *
