"""The daemon: forks, gates, registers, stops and reaps every process. Standard library only, one thread."""
