"""The wiring closet: settings, urls, celery, launcher. It imports the rooms; they never import it."""
