"""Tests of `train.search`."""
