"""Adapting models: from a dataset to an adapted model, and the synthetic programs that add to one."""
