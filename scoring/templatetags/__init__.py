"""Tags every template knows without loading them (settings.TEMPLATES, builtins)."""
