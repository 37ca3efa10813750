from temporalio.api.query.v1 import *
