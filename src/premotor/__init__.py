"""premotor: camera images, joint values and a plain instruction in, motor commands out."""

__version__ = "0.1.0"
