"""The site as a Django app: registers the system checks and connects Celery."""

from __future__ import annotations

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "iqa_site"

    def ready(self) -> None:
        from iqa_site import celery, checks  # noqa: F401  (the import registers them)
