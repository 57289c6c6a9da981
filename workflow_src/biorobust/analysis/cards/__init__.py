"""Robustness cards: what others need to repeat the evaluation of a model, one file a model."""
