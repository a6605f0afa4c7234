"""Pages, style and words shared by the reports of the package."""

from malariafuse._reports._page import digest, environment, style_sheet
from malariafuse._reports._words import (
    NOT_KNOWN,
    between,
    card_parts,
    heading,
    percent,
    value,
)

__all__ = [
    "NOT_KNOWN",
    "between",
    "card_parts",
    "digest",
    "environment",
    "heading",
    "percent",
    "style_sheet",
    "value",
]
