"""snakepit: warm, supervised pools of workers in any language, one short command away."""

__version__ = "0.1.0"
