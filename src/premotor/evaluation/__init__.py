"""Evaluation: fixed seeds, every episode kept, intervals instead of points, and paired comparisons.

`evaluate.evaluate` is the door; `summary.compare` says in a sentence whether one policy is better than another.
"""
