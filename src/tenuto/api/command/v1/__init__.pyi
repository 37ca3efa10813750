from temporalio.api.command.v1 import *
