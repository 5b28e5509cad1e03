"""Meta-World MT50: fifty tasks of a simulated Sawyer arm, from the package metaworld (an optional extra)."""
