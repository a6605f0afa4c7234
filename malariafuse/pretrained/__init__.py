"""A trained classifier that is ready to use, and its model card."""

from malariafuse.pretrained._load import (
    load_patient_test,
    load_pretrained,
    load_slide_adapter,
    load_smear_reader,
    model_card,
)
from malariafuse.pretrained._save import save_pretrained

__all__ = [
    "load_patient_test",
    "load_pretrained",
    "load_slide_adapter",
    "load_smear_reader",
    "model_card",
    "save_pretrained",
]
