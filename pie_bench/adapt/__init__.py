"""Adapting models: fine-tuning, self-play, and studies of both (the paper, Sections 3.2 and A.4 to A.10)."""
