"""What every estimator has in common."""

from typing import ClassVar

from malariafuse._stored import StoredEstimator

DOCUMENTATION = "https://malariafuse.readthedocs.io/en/stable"


class Estimator(StoredEstimator):
    """An estimator whose HTML representation links its page and its parameters."""

    _doc_link_module: ClassVar[str] = "malariafuse"
    _doc_link_template: ClassVar[str] = (
        DOCUMENTATION + "/generated/{estimator_module}.{estimator_name}.html"
    )
