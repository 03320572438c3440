"""Tasks: what is measured and how; knows no system."""
