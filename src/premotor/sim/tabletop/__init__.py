"""A table, two arms to choose from, ten families of tasks, on MuJoCo.

scene builds an episode, world runs it, success judges it, expert solves it, env is its Gymnasium door.
"""
