"""Runs a notebook cell by cell in a kernel of its own: run_notebook.py FILE; prints it with what came of it."""

import sys

import nbclient
import nbformat

book = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(book, timeout=600).execute()
print(nbformat.writes(book))
