"""Labelled corpora of others, projected onto our strategies: one module each.

Each defines ``read(folder) -> Iterator[dict]``, the lines of a gold file for ``sad annotate
evaluate``. A projection is weak: it judges only the labels in ``labels_annotated``, and its own
definitions differ from ours as its docstring says. Source: specification of the data, section 3.
"""
