"""A transformer with one sigmoid per label: its network, its training, its calibration.

N is the number of texts, T of tokens, H the width of the backbone, L the number of labels.
"""
