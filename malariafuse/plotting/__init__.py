"""Displays of data, decisions and networks, in the style of scikit-learn.

They require matplotlib: in a checkout, ``python -m pip install ".[plots]"``.
"""

from malariafuse.plotting._augmented import AugmentationDisplay
from malariafuse.plotting._balance import ClassBalanceDisplay, PatientBalanceDisplay
from malariafuse.plotting._channels import ChannelsDisplay
from malariafuse.plotting._comparison import ComparisonDisplay
from malariafuse.plotting._grad_cam import grad_cam
from malariafuse.plotting._grad_cam_display import GradCAMDisplay
from malariafuse.plotting._image_grid import ImageGridDisplay
from malariafuse.plotting._mean_images import MeanImageDisplay
from malariafuse.plotting._parasitemia import (
    ParasitemiaCalibrationDisplay,
    ParasitemiaDisplay,
)
from malariafuse.plotting._patient_recall import PatientRecallDisplay
from malariafuse.plotting._smear import SmearDisplay, suspicious_cells
from malariafuse.plotting._threshold_curve import ThresholdCurveDisplay
from malariafuse.plotting._training_curves import TrainingCurvesDisplay

__all__ = [
    "AugmentationDisplay",
    "ChannelsDisplay",
    "ClassBalanceDisplay",
    "ComparisonDisplay",
    "GradCAMDisplay",
    "ImageGridDisplay",
    "MeanImageDisplay",
    "ParasitemiaCalibrationDisplay",
    "ParasitemiaDisplay",
    "PatientBalanceDisplay",
    "PatientRecallDisplay",
    "SmearDisplay",
    "ThresholdCurveDisplay",
    "TrainingCurvesDisplay",
    "grad_cam",
    "suspicious_cells",
]
