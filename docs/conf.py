"""How Sphinx builds the documentation."""

import os

# TensorFlow reads it when it is imported and then keeps most of its messages to itself.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import malariafuse

project = "malariafuse"
author = "The malariafuse developers"
copyright = f"2026, {author}"
version = release = malariafuse.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "myst_parser",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]
default_role = "code"

html_theme = "pydata_sphinx_theme"
html_title = f"malariafuse {version}"
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_sidebars = {"install": [], "results": [], "speed": [], "changelog": []}

autodoc_typehints = "none"  # numpydoc's sections say the types in words
autosummary_generate = True
numpydoc_show_class_members = False  # the template of a class lists its methods

nitpick_ignore_regex = [
    # Their documentation would have to be fetched while this one is built.
    (r"py:.*", r"(collections|joblib|keras|numpy|pandas|pathlib|sklearn)\..*"),
]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    "ignore_pattern": r"quickstart\.py",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("malariafuse",),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
}


def skip_members_of_others(app, what, name, obj, skip, options):
    """Leave out what a class inherits from scikit-learn or Keras."""
    function = getattr(obj, "fget", obj)
    module = getattr(function, "__module__", None) or ""
    return skip or not module.startswith("malariafuse")


def setup(app):
    app.connect("autodoc-skip-member", skip_members_of_others)
