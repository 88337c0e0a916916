"""API of the people's room."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
