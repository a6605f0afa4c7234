"""Evaluation of any classifier from labels, probabilities and patients."""

from malariafuse.evaluation._comparison import compare
from malariafuse.evaluation._comparison_table import comparison_table
from malariafuse.evaluation._cross_validation import cross_validate_patients
from malariafuse.evaluation._label_issues import label_issues
from malariafuse.evaluation._parasitemia import parasitemia_scores
from malariafuse.evaluation._patient_test import PatientTest
from malariafuse.evaluation._patients import patient_table
from malariafuse.evaluation._review import review_table
from malariafuse.evaluation._summary import summarize
from malariafuse.evaluation._thresholds import threshold_table

__all__ = [
    "PatientTest",
    "compare",
    "comparison_table",
    "cross_validate_patients",
    "label_issues",
    "parasitemia_scores",
    "patient_table",
    "review_table",
    "summarize",
    "threshold_table",
]
