"""The processes of carriers: one for each that has a far end, so that a slow one keeps nobody else waiting."""
