"""The Celery application; the beat table stands in schedule.py."""

from __future__ import annotations

import os

from celery import Celery

from iqa_site.schedule import BEAT_SCHEDULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iqa_site.settings")

app = Celery("vitrine")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = BEAT_SCHEDULE
app.autodiscover_tasks(["scoring", "labeling"])
