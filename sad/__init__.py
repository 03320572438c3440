"""SAD: the Strategic Argumentative Dialogue dataset."""
