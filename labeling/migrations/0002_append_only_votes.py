"""Votes and decisions are append-only in the database itself."""

from django.db import migrations

REFUSE = """
CREATE TRIGGER votes_are_append_only BEFORE UPDATE OR DELETE ON labeling_annotation
  FOR EACH ROW EXECUTE FUNCTION vitrine_append_only();
CREATE TRIGGER decisions_are_append_only BEFORE UPDATE OR DELETE ON labeling_review
  FOR EACH ROW EXECUTE FUNCTION vitrine_append_only();
"""

ALLOW = """
DROP TRIGGER votes_are_append_only ON labeling_annotation;
DROP TRIGGER decisions_are_append_only ON labeling_review;
"""


class Migration(migrations.Migration):
    dependencies = [("labeling", "0001_initial"), ("scoring", "0002_append_only_events")]
    operations = [migrations.RunSQL(REFUSE, ALLOW)]
