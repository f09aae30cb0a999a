"""One small command in Python: what the others are compared with."""


class Small:
    def execute_add(self, a: int, b: int) -> dict[str, int]:
        return {"sum": a + b}
