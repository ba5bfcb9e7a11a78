"""pie_bench: can a language model make real programs faster? (PIE, ICLR 2024)"""

__version__ = "0.1.0"

DEFAULT_ENVIRONMENT = "cachegrind"  # what numbers are measured in unless the user says otherwise
