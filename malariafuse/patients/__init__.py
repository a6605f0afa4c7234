"""Reading of photographs of a patient's smear, with results and reports by patient."""

from malariafuse.patients._reader import SmearReader
from malariafuse.patients._report import write_report
from malariafuse.patients._result import PatientResult, who_class

__all__ = ["PatientResult", "SmearReader", "who_class", "write_report"]
