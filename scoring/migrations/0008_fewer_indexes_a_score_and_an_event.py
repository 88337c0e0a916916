"""A score and an event write fewer rows of indexes: none that another index begins with."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("scoring", "0007_shadow"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="event",
            name="verb",
            field=models.CharField(max_length=64),
        ),
        migrations.AlterField(
            model_name="score",
            name="image",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="scores",
                to="scoring.image",
            ),
        ),
        migrations.AlterField(
            model_name="score",
            name="model",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="scores",
                to="scoring.modelversion",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["verb"], name="events_by_verb", opclasses=["varchar_pattern_ops"]),
        ),
    ]
