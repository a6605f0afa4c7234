"""Pretrained classifiers and their model cards."""

from malariafuse.pretrained._load import (
    load_patient_test,
    load_pretrained,
    load_slide_adapter,
    load_smear_reader,
    model_card,
)
from malariafuse.pretrained._save import save_pretrained
from malariafuse.pretrained._train import train_pretrained

__all__ = [
    "load_patient_test",
    "load_pretrained",
    "load_slide_adapter",
    "load_smear_reader",
    "model_card",
    "save_pretrained",
    "train_pretrained",
]
