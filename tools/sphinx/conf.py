"""How Sphinx makes the site; tools/website.py calls it."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

project = "mlops.mlflow"
copyright = "the mlops.mlflow authors"  # noqa: A001
extensions = ["myst_parser", "sphinx_antsibull_ext"]
root_doc = "docs/index"
html_theme = "furo"
html_title = "mlops.mlflow"
html_static_path = ["static"]
html_css_files = ["dark.css"]
html_show_sphinx = False
html_copy_source = False
# The sources are in the repository, and nothing is fetched from elsewhere.
html_show_sourcelink = False
myst_heading_anchors = 3
myst_linkify_fuzzy_links = False
# Code without a language is what a program says.
highlight_language = "none"

# What the reference names of Ansible's own documentation, which the site does not need.
ANSIBLE = "https://docs.ansible.com/ansible/latest"
ELSEWHERE = {
    "common_return_values": f"{ANSIBLE}/reference_appendices/common_return_values.html",
    "list_of_collections": f"{ANSIBLE}/collections/index.html",
}


def of_ansible(app: Sphinx, env: Any, node: Any, contnode: nodes.Node) -> nodes.Node | None:
    """Let a reference to Ansible's documentation lead there."""
    target = node["reftarget"]
    where = ELSEWHERE.get(target)
    if target.startswith("ansible_collections.ansible.builtin."):
        where = f"{ANSIBLE}/collections/ansible/builtin/{target.rpartition('.')[2]}.html"
    return nodes.reference("", "", contnode, refuri=where, internal=False) if where else None


def setup(app: Sphinx) -> None:
    """Tell Sphinx."""
    app.connect("missing-reference", of_ansible)
