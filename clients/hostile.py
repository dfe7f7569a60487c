"""Clients that do their worst."""

from __future__ import annotations

HOSTILE_KINDS: dict[str, str] = {}
