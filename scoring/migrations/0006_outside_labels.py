"""What other tools said of our pictures comes along with rows and is kept."""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("scoring", "0005_pictures_made_here"),
    ]

    operations = [
        migrations.CreateModel(
            name='OutsideLabel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('vote', 'Vote'), ('prediction', 'Prediction')], max_length=16)),
                ('who', models.CharField(max_length=150)),
                ('score', models.FloatField()),
                ('is_counted', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'verbose_name': 'label from outside',
                'verbose_name_plural': 'labels from outside',
            },
        ),
        migrations.AddField(
            model_name='importjob',
            name='votes_for',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='importrow',
            name='told',
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddIndex(
            model_name='importrow',
            index=django.contrib.postgres.indexes.HashIndex(fields=['reference'], name='import_rows_by_address'),
        ),
        migrations.AddField(
            model_name='outsidelabel',
            name='image',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='outside_labels', to='scoring.image'),
        ),
        migrations.AddField(
            model_name='outsidelabel',
            name='job',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='outside_labels', to='scoring.importjob'),
        ),
        migrations.AddIndex(
            model_name='outsidelabel',
            index=models.Index(condition=models.Q(('is_counted', False), ('kind', 'vote')), fields=['job'], name='outside_votes_to_count'),
        ),
        migrations.AddConstraint(
            model_name='outsidelabel',
            constraint=models.UniqueConstraint(fields=('image', 'kind', 'who'), name='somebody_outside_says_one_thing_of_a_picture'),
        ),
        migrations.AddConstraint(
            model_name='outsidelabel',
            constraint=models.CheckConstraint(condition=models.Q(('score__gte', 0), ('score__lte', 100)), name='an_outside_score_is_0_to_100'),
        ),
    ]
