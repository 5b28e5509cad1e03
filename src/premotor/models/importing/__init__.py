"""Public checkpoints become bundles: recognised by their own files, read strictly, with their statistics and words."""
