from temporalio.api.sdk.v1 import *
