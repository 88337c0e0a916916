"""What every page shows around its content. All of it is lazy: a fragment that shows none asks for none."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from iqa_site.theme import next_theme, theme_of
from labeling.comments import calls_count
from labeling.current import current_project, my_projects
from labeling.permissions import Role, highest_role, pages_for, role_of

# Pages that stand below a menu entry without being one.
SECTION_OF = {"image": "catalogue", "run": "models", "model": "models", "import": "data"}


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The pages this person may open, the one they are on, their projects, and the theme."""
    theme = theme_of(request)
    shown: dict[str, Any] = {
        "csp_nonce": getattr(request, "csp_nonce", ""),  # itself lazy
        "theme": theme,
        "theme_next": next_theme(theme),
        "nav_pages": [],
        "nav_current": _section(request),
        "projects": [],
        "project": None,
        "role_words": "",
        "calls_count": 0,
    }
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return shown
    return shown | {
        "nav_pages": SimpleLazyObject(lambda: pages_for(user)),
        "projects": SimpleLazyObject(lambda: my_projects(request)),
        "project": SimpleLazyObject(lambda: current_project(request) if my_projects(request) else None),
        "role_words": SimpleLazyObject(lambda: _role_words(request)),
        "calls_count": SimpleLazyObject(lambda: calls_count(user=user)),
    }


def _section(request: HttpRequest) -> str:
    match = request.resolver_match
    name = match.url_name if match else ""
    return SECTION_OF.get(name or "", name or "")


def _role_words(request: HttpRequest) -> str:
    user = request.user
    if not user.is_authenticated:
        return ""
    role = role_of(user, current_project(request)) if my_projects(request) else highest_role(user)
    return str(Role(role).label) if role else ""
