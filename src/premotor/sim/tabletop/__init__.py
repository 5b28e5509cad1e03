"""A table, two arms to choose from, ten families of tasks, on MuJoCo."""
