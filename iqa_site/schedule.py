"""What beat wakes, and how often. Every entry is safe to run twice and to miss."""

from __future__ import annotations

BEAT_SCHEDULE: dict[str, dict[str, object]] = {
    "sweep-scoring-jobs": {"task": "maintenance.score_sweep", "schedule": 10.0},
    "sweep-import-jobs": {"task": "maintenance.ingest_sweep", "schedule": 15.0},
    "sweep-exports": {"task": "maintenance.export_sweep", "schedule": 15.0},
    "sweep-uploads": {"task": "maintenance.spool_sweep", "schedule": 3600.0},
    "count-outside-votes": {"task": "maintenance.outside_votes", "schedule": 15.0},
    "sweep-training-runs": {"task": "maintenance.train_sweep", "schedule": 30.0},
    "sweep-leases": {"task": "maintenance.queue_sweep", "schedule": 30.0},
    "settle-labels": {"task": "maintenance.consensus_settle_due", "schedule": 15.0},
    "fill-and-order-queues": {"task": "maintenance.queue_reorder", "schedule": 10.0},
    "renew-gold-questions": {"task": "maintenance.gold_due", "schedule": 60.0},
    "watch-drift": {"task": "maintenance.drift_watch", "schedule": 1800.0},
    "retrain-by-rule": {"task": "maintenance.retrain_by_rule", "schedule": 60.0},
}
