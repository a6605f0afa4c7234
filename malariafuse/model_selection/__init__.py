"""Splitters, threshold selection and slide adaptation, all by patient."""

from malariafuse.model_selection._folds import PatientKFold
from malariafuse.model_selection._leakage import LeakageError, check_no_leakage
from malariafuse.model_selection._slides import SlideAdapter
from malariafuse.model_selection._split import split_patients
from malariafuse.model_selection._thresholds import (
    choose_threshold,
    thresholds_out_of_fold,
)

__all__ = [
    "LeakageError",
    "PatientKFold",
    "SlideAdapter",
    "check_no_leakage",
    "choose_threshold",
    "split_patients",
    "thresholds_out_of_fold",
]
