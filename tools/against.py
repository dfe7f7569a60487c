from __future__ import annotations


def set_against(results, before, *, as_json=False):
    return 0
