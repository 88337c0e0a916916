"""Uploads are swept, versions know their votes, and the database refuses to change a version."""

import django.contrib.postgres.fields
from django.db import migrations, models

REFUSE = """
CREATE FUNCTION vitrine_versions_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'scoring_datasetversion' THEN
    IF NEW.created_by_id IS NULL THEN  -- an account may go, what it froze stays
      NEW.created_by_id := OLD.created_by_id;
      IF NEW IS NOT DISTINCT FROM OLD THEN
        NEW.created_by_id := NULL;
        RETURN NEW;
      END IF;
    END IF;
  END IF;
  RAISE EXCEPTION 'A dataset version never changes.' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER a_dataset_version_never_changes BEFORE UPDATE OR DELETE ON scoring_datasetversion
  FOR EACH ROW EXECUTE FUNCTION vitrine_versions_stay();
CREATE TRIGGER a_dataset_row_never_changes BEFORE UPDATE OR DELETE ON scoring_datasetrow
  FOR EACH ROW EXECUTE FUNCTION vitrine_versions_stay();

CREATE FUNCTION vitrine_versions_are_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT 1 FROM scoring_datasetversion v
    WHERE v.id IN (SELECT dataset_id FROM added)
      AND v.row_count < (SELECT count(*) FROM scoring_datasetrow r WHERE r.dataset_id = v.id)
  ) THEN
    RAISE EXCEPTION 'A dataset version never changes.' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER a_dataset_version_takes_no_more_rows AFTER INSERT ON scoring_datasetrow
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION vitrine_versions_are_full();
"""

ALLOW = """
DROP TRIGGER a_dataset_version_takes_no_more_rows ON scoring_datasetrow;
DROP TRIGGER a_dataset_row_never_changes ON scoring_datasetrow;
DROP TRIGGER a_dataset_version_never_changes ON scoring_datasetversion;
DROP FUNCTION vitrine_versions_are_full();
DROP FUNCTION vitrine_versions_stay();
"""


class Migration(migrations.Migration):

    dependencies = [
        ("scoring", "0003_accused_defects"),
    ]

    operations = [
        migrations.AddField(
            model_name='datasetrow',
            name='votes',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None),
        ),
        migrations.AddField(
            model_name='importjob',
            name='is_spool_kept',
            field=models.BooleanField(default=True),
        ),
        migrations.RunSQL(REFUSE, ALLOW),
    ]
