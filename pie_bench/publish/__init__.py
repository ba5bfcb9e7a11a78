"""Publishes results where people keep them: other tools' formats, experiment trackers, the Hugging Face Hub."""
