"""Sphinx configuration of the documentation site; `make docs` builds it."""

project = "payments"
html_title = "payments"
extensions = ["myst_parser"]
# The anchors of headings are those of a code host, so that links work in both places.
myst_heading_anchors = 4
nitpicky = True
# Typographic quotes and dashes would change commands.
smartquotes = False
html_theme = "furo"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
