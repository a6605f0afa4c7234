"""What every estimator has in common: its page in the documentation."""

from typing import ClassVar

from sklearn.base import BaseEstimator

DOCUMENTATION = "https://malariafuse.readthedocs.io/en/stable"


class Estimator(BaseEstimator):
    """An estimator whose HTML representation links its page and its parameters."""

    _doc_link_module: ClassVar[str] = "malariafuse"
    _doc_link_template: ClassVar[str] = (
        DOCUMENTATION + "/generated/{estimator_module}.{estimator_name}.html"
    )
