"""Where the slow loop (look, think) and the fast loop (move) meet."""
