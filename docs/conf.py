"""How Sphinx builds the documentation."""

import os
import time

from docutils import nodes
from docutils.utils.math import latex2mathml

import malariafuse

# TensorFlow reads it when an example imports it. On some CPUs, training takes twice as
# long without it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

project = "malariafuse"
author = "The malariafuse developers"
copyright = f"2026, {author}"
version = release = malariafuse.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
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
    "header_links_before_dropdown": 7,
}
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_math_renderer = "mathml"  # needs no script from the net
html_show_sourcelink = False
html_sidebars = {"install": [], "results": [], "speed": [], "changelog": []}

autodoc_typehints = "none"  # numpydoc's sections say the types in words
autosummary_generate = True
numpydoc_show_class_members = False  # the template of a class lists its methods
toc_object_entries_show_parents = "hide"
maximum_signature_line_length = 60  # one parameter a line fits a phone

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
    "write_computation_times": False,
}

started = time.monotonic()


def skip_members_of_others(app, what, name, obj, skip, options):
    """Leave out what a class inherits from scikit-learn or Keras."""
    function = getattr(obj, "fget", obj)
    module = getattr(function, "__module__", None) or ""
    return skip or not module.startswith("malariafuse")


def expect_no_pictures(app, config):
    """Without its gallery, a build has no pictures to show."""
    if str(config.plot_gallery) in ("0", "False"):
        config.suppress_warnings = [*config.suppress_warnings, "image.not_readable"]


def say_duration(app, exception):
    """Print how long the build took, also where Sphinx is told to be quiet."""
    gallery = "with" if str(app.config.plot_gallery) in ("1", "True") else "without"
    seconds = time.monotonic() - started
    print(f"Documentation built {gallery} its gallery in {seconds:.0f} s.")


def write_formula(translator, node):
    """Write a formula as MathML, which browsers draw by themselves."""
    translator.body.append(latex2mathml.tex2mathml(node.astext()))
    raise nodes.SkipNode


def setup(app):
    app.connect("autodoc-skip-member", skip_members_of_others)
    app.connect("config-inited", expect_no_pictures)
    app.connect("build-finished", say_duration)
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(write_formula, None),
        block_renderers=(write_formula, None),
    )
