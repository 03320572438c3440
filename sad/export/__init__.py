"""Exporters: out of thread folders and builds into other forms."""
