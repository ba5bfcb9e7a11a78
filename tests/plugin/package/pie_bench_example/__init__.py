"""A package that adds one of each kind to pie_bench."""
