"""Base class of all estimators."""

from typing import ClassVar

from malariafuse._stored import StoredEstimator

DOCUMENTATION = "https://malariafuse.readthedocs.io/en/stable"


class Estimator(StoredEstimator):
    """Estimator whose HTML representation links to the documentation."""

    _doc_link_module: ClassVar[str] = "malariafuse"
    _doc_link_template: ClassVar[str] = (
        DOCUMENTATION + "/generated/{estimator_module}.{estimator_name}.html"
    )
