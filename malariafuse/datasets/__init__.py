"""Loaders, downloads and generators for images of single red blood cells."""

from malariafuse._files._read import ImageReadError
from malariafuse.datasets._duplicates import find_duplicates
from malariafuse.datasets._fetch import fetch_malaria_cells
from malariafuse.datasets._folder import image_paths
from malariafuse.datasets._load import load_cell_images
from malariafuse.datasets._patients import patient_ids
from malariafuse.datasets._smears import make_smear_photos
from malariafuse.datasets._synthetic import make_cell_images

__all__ = [
    "ImageReadError",
    "fetch_malaria_cells",
    "find_duplicates",
    "image_paths",
    "load_cell_images",
    "make_cell_images",
    "make_smear_photos",
    "patient_ids",
]
