"""WSGI entry point for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iqa_site.settings")
application = get_wsgi_application()
# Read by the parent, before it forks: a worker that takes a killed one's place answers at once, instead of
# reading every page's code at its first request.
get_resolver().url_patterns  # noqa: B018  (kept once asked for)
