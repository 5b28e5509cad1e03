"""Published checkpoints, read strictly into the systems here."""
