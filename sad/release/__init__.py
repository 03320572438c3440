"""What goes out with a dataset folder."""
