"""Figures of a built folder: pure counting here, drawing in ``plots``."""
