"""What people look at: marked pictures, strips, films and the live page. It listens to the loop and never steers it."""
