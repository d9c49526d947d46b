"""Where and when: Celery, the clock, the command line."""
