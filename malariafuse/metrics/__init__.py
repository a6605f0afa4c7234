"""Metrics that trade recall of parasitized cells against specificity."""

from malariafuse.metrics._best_threshold import (
    recall_at_specificity_score,
    specificity_at_recall_score,
)
from malariafuse.metrics._constrained import (
    constrained_recall_score,
    constrained_specificity_score,
)
from malariafuse.metrics._scorers import (
    make_constrained_recall_scorer,
    make_constrained_specificity_scorer,
    make_recall_at_specificity_scorer,
    make_specificity_at_recall_scorer,
)
from malariafuse.metrics._specificity import specificity_score

__all__ = [
    "constrained_recall_score",
    "constrained_specificity_score",
    "make_constrained_recall_scorer",
    "make_constrained_specificity_scorer",
    "make_recall_at_specificity_scorer",
    "make_specificity_at_recall_scorer",
    "recall_at_specificity_score",
    "specificity_at_recall_score",
    "specificity_score",
]
