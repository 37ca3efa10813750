from temporalio.api.export.v1 import *
