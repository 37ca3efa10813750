from temporalio.api.interaction.v1 import *
