"""Accused defects beside the findings, kept by the database."""

import scoring.models.score
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("scoring", "0002_append_only_events"),
    ]

    operations = [
        migrations.AddField(
            model_name='score',
            name='accused',
            field=models.GeneratedField(db_persist=True, expression=scoring.models.score.AccusedDefects('findings'), output_field=models.JSONField()),
        ),
    ]
