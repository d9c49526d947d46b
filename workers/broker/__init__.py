"""The broker side of the workers: validates each message of a queue before Celery sees it."""
