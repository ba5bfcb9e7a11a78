from tests.made_runs import made, made_folder, run_a

__all__ = ["made", "made_folder", "run_a"]
