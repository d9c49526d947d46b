"""The edge to the message broker: validates what anyone may have put into a queue before Celery sees it."""
