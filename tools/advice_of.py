from __future__ import annotations


def advice_table(results, summaries):
    return None
