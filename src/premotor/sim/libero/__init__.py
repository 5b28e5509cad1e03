"""LIBERO: 130 tasks of a Panda arm, with the benchmark's own scenes, states and success."""
