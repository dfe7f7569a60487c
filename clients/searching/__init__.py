"""The search for the highest rate at which a server holds an objective.

Reading order: `objective` (what must hold), `search` (which rate is tried next), `trials` (what was tried, and the
words for it), `steadiness` (whether what is in flight grows), `probing` (a trial carried out), `finding` (the command).
"""
