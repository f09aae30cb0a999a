"""python -m snakepit_cli: the same as the command `snakepit`."""

from snakepit_cli.fast import main

if __name__ == "__main__":
    main()
