"""Every setting of the site, read from the environment by typed readers (iqa_site/env.py).

docs/settings.md lists them; a test compares the list with this file. Without any variable the site
runs from a data folder with the embedded PostgreSQL and Valkey that ``vitrine run`` starts.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from iqa_site.api_names import ENUM_NAMES
from iqa_site.env import env_flag, env_int, env_list, env_read, env_text
from scoring.core.recipes import losses_of

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env_text("VITRINE_DATA", str(Path.cwd() / "var"))).resolve()
DEBUG = env_flag("VITRINE_DEBUG", default=False)
HTTPS = env_flag("VITRINE_HTTPS", default=False)


def _secret_key() -> str:
    """The configured key, else one generated once into the data folder (mode 0600)."""
    configured = env_text("VITRINE_SECRET_KEY")
    if configured:
        return configured
    path = DATA_DIR / "secret_key"
    if not path.exists():
        DATA_DIR.mkdir(parents=True, exist_ok=True)
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            return path.read_text(encoding="utf-8")
        path.write_text(secrets.token_urlsafe(64), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def _database(url: str) -> dict[str, object]:
    """Django's database dictionary from a postgresql:// URL; ?host= names a socket folder."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(f"DATABASE_URL must be a postgresql:// URL, not {parts.scheme!r}")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return {
        "ENGINE": "iqa_site.postgres",
        "NAME": unquote(parts.path.lstrip("/")) or "postgres",
        "USER": unquote(parts.username or "postgres"),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": query.pop("port", str(parts.port or "")),
        "CONN_MAX_AGE": env_int("VITRINE_DB_CONN_MAX_AGE", 600),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": query,
    }


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env_list("VITRINE_ALLOWED_HOSTS", ("127.0.0.1", "localhost", "[::1]"))
CSRF_TRUSTED_ORIGINS = env_list("VITRINE_TRUSTED_ORIGINS")

DATABASES = {"default": _database(env_text("DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/vitrine"))}
REDIS_URL = env_text("REDIS_URL", "redis://127.0.0.1:6379/0")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "labeling",
    "scoring",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "knox",
    "rest_framework",
    "template_partials.apps.SimpleAppConfig",
    "iqa_site.apps.SiteConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "iqa_site.headers.add_headers",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "iqa_site.refusals.LoginFirst",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "iqa_site.refusals.StationRefusals",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "iqa_site.urls"
WSGI_APPLICATION = "iqa_site.wsgi.application"
_LOADERS = ["django.template.loaders.filesystem.Loader", "django.template.loaders.app_directories.Loader"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "iqa_site.context.navigation",
            ],
            "builtins": [
                "template_partials.templatetags.partials",
                "django.templatetags.i18n",
                "django.templatetags.static",
                "scoring.templatetags.vitrine",
            ],
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    _LOADERS if DEBUG else [("django.template.loaders.cached.Loader", _LOADERS)],
                )
            ],
        },
    }
]

# --- people ---------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "iqa_site.who.Passwords"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = env_int("VITRINE_LOGIN_FAILURES", 8)
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "iqa_site.refusals.locked_out"
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "iqa_site.client.client_address"

# --- words ----------------------------------------------------------------------------------------
LANGUAGE_CODE = env_text("VITRINE_LANGUAGE", "en")
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env_text("VITRINE_TIME_ZONE", "UTC")
USE_TZ = True

# --- files ----------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env_text("VITRINE_STATIC_ROOT", str(DATA_DIR / "static")))
MEDIA_ROOT = Path(env_text("VITRINE_MEDIA_ROOT", str(DATA_DIR / "media")))
STORAGES = {
    "default": {
        "BACKEND": env_text("VITRINE_STORAGE", "django.core.files.storage.FileSystemStorage"),
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "iqa_site.static.ModuleManifestStorage",
    },
}
FILE_UPLOAD_PERMISSIONS = 0o644
DATA_UPLOAD_MAX_NUMBER_FILES = env_int("VITRINE_UPLOAD_MAX_FILES", 500)
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024
EXPORT_DAYS = env_int("VITRINE_EXPORT_DAYS", 7)
UPLOAD_DAYS = env_int("VITRINE_UPLOAD_DAYS", 7)
IMPORT_ROOTS = [Path(root).resolve() for root in env_list("VITRINE_IMPORT_ROOTS")]

# --- security -------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CSRF_FAILURE_VIEW = "iqa_site.refusals.csrf_failure"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# Browsers refuse the __Host- prefix without Secure, so plain-HTTP installs keep the plain names.
SESSION_COOKIE_NAME = "__Host-vitrine" if HTTPS else "vitrine"
CSRF_COOKIE_NAME = "__Host-vitrine-csrf" if HTTPS else "vitrine-csrf"
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None

# --- jobs: the row is the job, Celery is the wake-up call -------------------------------------------
CACHES = {
    "default": {
        "BACKEND": "iqa_site.cache.KeptRedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "vitrine",
        "OPTIONS": {
            "serializer": "iqa_site.cache.JsonSerializer",
            "socket_connect_timeout": 0.5,
            "socket_timeout": 2,
        },
    }
}
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT, CELERY_TASK_TIME_LIMIT = 300, 360
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = env_int("VITRINE_SOFT_SHUTDOWN_S", 20)
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 0.5,
    "socket_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "max_retries": 0,
}
CELERY_TASK_ROUTES = {
    "ingest.*": {"queue": "io"},
    "export.*": {"queue": "io"},
    "score.*": {"queue": "score"},
    "rescore.*": {"queue": "score"},
    "train.*": {"queue": "train"},
    "maintenance.*": {"queue": "maintenance"},
}

# --- API ------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "iqa_site.api_auth.KnoxTokens",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "iqa_site.api_schema.NamedByView",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "iqa_site.api_parsers.BoundedJSONParser",
        "rest_framework.parsers.MultiPartParser",
        "rest_framework.parsers.FormParser",
    ],
    "EXCEPTION_HANDLER": "iqa_site.api.refusals_as_json",
    "NUM_PROXIES": 1 if HTTPS else 0,  # whose word about the client's address is taken
}
REST_KNOX = {"TOKEN_TTL": None, "AUTO_REFRESH": False, "AUTH_HEADER_PREFIX": "Token"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Vitrine",
    "DESCRIPTION": _("Human-in-the-loop quality assessment of product pictures."),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "iqa_site.api_schema.with_refusals",
    ],
    "ENUM_NAME_OVERRIDES": ENUM_NAMES,
}

# --- Vitrine ---------------------------------------------------------------------------------------
# The lower room asks who somebody is through these names, never by importing the upper one.
VITRINE_SITE_ROLE = "labeling.permissions.highest_role"
VITRINE_ONE_TIME_PATH = "iqa_site.login.one_time_path"
API_SCORES_A_MINUTE = env_int("VITRINE_API_SCORES_A_MINUTE", 300)
VITRINE_OCR = env_flag("VITRINE_OCR", default=False)
SCORE_CHUNK = env_int("VITRINE_SCORE_CHUNK", 32)
SCORE_LEASE_S = env_int("VITRINE_SCORE_LEASE_S", 120)
SCORE_ATTEMPTS = env_int("VITRINE_SCORE_ATTEMPTS", 6)
DEEP_EPOCHS = env_int("VITRINE_DEEP_EPOCHS", 0)
DEEP_LOSSES = env_read("VITRINE_DEEP_LOSSES", losses_of)
TRAIN_LEASE_S = env_int("VITRINE_TRAIN_LEASE_S", 90)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env_text("VITRINE_LOG_LEVEL", "INFO")},
}
