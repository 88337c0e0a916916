"""Django's PostgreSQL engine with a health check that asks nothing while the line is in use."""
