"""pie_bench: can a language model make real programs faster? (PIE, ICLR 2024)"""

__version__ = "0.1.0"
