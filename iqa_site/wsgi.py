"""WSGI entry point for gunicorn, with everything read that a first request would have to read.

The parent reads, before it forks and without opening a line to anybody: a worker that takes a killed one's
place then answers at once.
"""

import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import reverse
from django.utils import translation

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iqa_site.settings")
application = get_wsgi_application()


def _read_ahead() -> None:
    """Every page's code and address in each language, the words, and what speaks to cache and broker."""
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            reverse("home")
    for module in ("redis", "kombu.transport.redis", "celery.backends.base", "celery.app.amqp"):
        import_module(module)


_read_ahead()
