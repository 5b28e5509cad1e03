"""Where images, words and proprioception meet."""
