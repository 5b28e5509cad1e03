"""Published checkpoints, one file a layout: read strictly, or not at all."""
