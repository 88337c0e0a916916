"""The audit trail refuses UPDATE, DELETE and TRUNCATE in the database itself."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION vitrine_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'The table % is append-only.', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER events_are_append_only BEFORE UPDATE OR DELETE ON scoring_event
  FOR EACH ROW EXECUTE FUNCTION vitrine_append_only();
"""

ALLOW = """
DROP TRIGGER events_are_append_only ON scoring_event;
DROP FUNCTION vitrine_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("scoring", "0001_initial")]
    operations = [migrations.RunSQL(REFUSE, ALLOW)]
