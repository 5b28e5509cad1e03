"""From demonstrations to a policy: collecting, storing, learning, correcting."""
