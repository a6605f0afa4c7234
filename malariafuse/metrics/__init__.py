"""Scores that give a missed infection more weight than a false alarm."""

from malariafuse.metrics._scorers import (
    get_scorer,
    make_recall_at_specificity_scorer,
    make_specificity_at_recall_scorer,
)
from malariafuse.metrics._scores import (
    recall_at_specificity_score,
    specificity_at_recall_score,
    specificity_score,
)

__all__ = [
    "get_scorer",
    "make_recall_at_specificity_scorer",
    "make_specificity_at_recall_scorer",
    "recall_at_specificity_score",
    "specificity_at_recall_score",
    "specificity_score",
]
