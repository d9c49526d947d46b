"""The road: one verb a file. A stage never calls a stage."""
