"""Self-play (the paper, Sections 3.2 and A.6): a model writes new programs, any model makes them faster, and the best
pairs become training data. See docs/selfplay.md.

A folder holds one self-play, with a sub-folder per stage: `generate` (a run), `filter`, `representatives` (a dataset),
`optimise` (a run over it), `dataset` (the training data).
"""
