"""Words and pictures: what a person types and sees. Typer is imported nowhere else."""
