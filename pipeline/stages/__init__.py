"""Stages: the steps of processing, one in each module. A stage opens transactions and never calls another stage."""
