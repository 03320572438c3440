"""Metrics: pure functions, the only implementation in the project.

N is the number of items, G of groups (trees), B of resamples, K of sufficient statistics, L of
labels. A metric is a row of K additive statistics per item and a function of their sum; so a value
over all items, over a resample, and over many resamples at once are the same code.
"""
