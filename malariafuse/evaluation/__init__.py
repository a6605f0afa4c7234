"""Honest evidence for any classifier, from labels, probabilities and patients."""

from malariafuse.evaluation._comparison import compare, comparison_table
from malariafuse.evaluation._cross_validation import cross_validate_patients
from malariafuse.evaluation._folds import (
    LeakageError,
    PatientKFold,
    check_no_leakage,
)
from malariafuse.evaluation._label_issues import label_issues
from malariafuse.evaluation._patients import patient_table
from malariafuse.evaluation._summary import summarize
from malariafuse.evaluation._thresholds import (
    choose_threshold,
    threshold_table,
    thresholds_out_of_fold,
)
from malariafuse.evaluation._verdict import PatientClassifier

__all__ = [
    "LeakageError",
    "PatientClassifier",
    "PatientKFold",
    "check_no_leakage",
    "choose_threshold",
    "compare",
    "comparison_table",
    "cross_validate_patients",
    "label_issues",
    "patient_table",
    "summarize",
    "threshold_table",
    "thresholds_out_of_fold",
]
