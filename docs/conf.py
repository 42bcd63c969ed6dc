"""How Sphinx builds these pages: `sphinx-build -W docs docs/_build`."""

import woodpecker_async

project = "woodpecker-async"
author = "The woodpecker-async maintainers"
release = version = woodpecker_async.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"woodpecker-async {release}"
html_show_copyright = False

# A button copies what is to be run: the commands of a terminal without prompts and output, and no output by itself.
copybutton_prompt_text = "$ "
copybutton_selector = "div.highlight-python pre, div.highlight-console pre, div.highlight-bash pre"

# Links to headings work as they do on a forge.
myst_heading_anchors = 3

# Docstrings put code between single backticks.
default_role = "code"

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "description"
autodoc_class_signature = "mixed"
autodoc_default_options = {"undoc-members": False}

napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Raises (when it is read)", "Raises"), "Document"]
napoleon_use_ivar = True
