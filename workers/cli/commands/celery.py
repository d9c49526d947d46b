"""`postroad celery`: starts a Celery worker or beat."""

from workers.celery_start import celery

__all__ = ["celery"]
