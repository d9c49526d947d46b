"""Where each dialect's operations meet the stages."""
