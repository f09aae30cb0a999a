"""Finding an instance, starting it, and ending it."""
