"""What comes out: points in the images, and actions."""
