"""The processes: Celery workers and beat, the HTTP gateway, webhooks, the command line, and the lab."""
