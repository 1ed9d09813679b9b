"""How the documentation site is built: `make docs`."""

import sys
from pathlib import Path

import subnetlab

sys.path.insert(0, str(Path(__file__).parent))

project = "subnetlab"
author = "The subnetlab developers"
version = release = subnetlab.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docstrings", "mathml"]

html_theme = "furo"
html_title = f"subnetlab {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_math_renderer = "mathml"  # no script, no request: the site opens offline

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

napoleon_google_docstring = False
napoleon_use_param = False  # types here are words, such as "array, shape (n, d)", and no links
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True

default_role = "py:obj"  # a name in single backticks is a link where it has a page, and code where it has none
nitpicky = True
nitpick_ignore_regex = [("py:(obj|class|exc)", ".*")]
