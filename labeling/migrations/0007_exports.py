"""Exports: a worker writes a file, which waits some days to be fetched."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("labeling", "0006_comparisons"),
        ("scoring", "0004_kept_uploads_and_lineage"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ExportJob',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('form', models.CharField(choices=[('csv', 'CSV'), ('jsonl', 'JSON lines'), ('coco', 'COCO'), ('label-studio', 'Label Studio'), ('parquet', 'Parquet'), ('croissant', 'Croissant'), ('votes', 'Votes')], max_length=16)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('running', 'Running'), ('done', 'Done'), ('cancelled', 'Cancelled'), ('failed', 'Failed'), ('gone', 'No longer kept')], default='waiting', max_length=16)),
                ('token', models.UUIDField(blank=True, null=True)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('done', models.PositiveIntegerField(default=0)),
                ('total', models.PositiveIntegerField(default=0)),
                ('byte_count', models.BigIntegerField(default=0)),
                ('error', models.CharField(blank=True, default='', max_length=500)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
                ('dataset', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='scoring.datasetversion')),
                ('project', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='labeling.project')),
            ],
            options={
                'verbose_name': 'export',
                'verbose_name_plural': 'exports',
                'ordering': ['-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('dataset__isnull', False), ('project__isnull', True)), models.Q(('dataset__isnull', True), ('form', 'votes'), ('project__isnull', False)), _connector='OR'), name='an_export_is_of_a_version_or_of_votes'), models.UniqueConstraint(condition=models.Q(('state__in', ['waiting', 'running'])), fields=('dataset', 'project', 'form'), name='a_file_is_written_once_at_a_time', nulls_distinct=False)],
            },
        ),
    ]
