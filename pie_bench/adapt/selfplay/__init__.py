"""Self-play (the paper, Sections 3.2 and A.6): a model writes new programs, any model makes them faster, and the pairs
that are worth it become training data. docs/selfplay.md.

A folder holds one self-play, a stage a sub-folder: `generate` (a run), `filter`, `representatives` (a dataset),
`optimise` (a run over it), `dataset` (what training takes).
"""
