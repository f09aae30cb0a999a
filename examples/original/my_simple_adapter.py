"""A handler with functions by name, and the script that runs it.

snakepit up simple --adapter examples/original/my_simple_adapter.py
snakepit up simple --adapter 'exec-json:python examples/original/my_simple_adapter.py'
snakepit exec uppercase text=hello --pool simple
"""

from snakepit_bridge import BaseCommandHandler, ProtocolHandler
from snakepit_bridge.core import setup_broken_pipe_suppression, setup_graceful_shutdown


class MySimpleHandler(BaseCommandHandler):
    def _register_commands(self):
        self.register_command("uppercase", self.handle_uppercase)
        self.register_command("word_count", self.handle_word_count)
        self.register_command("letters", self.handle_letters)

    def handle_uppercase(self, args):
        """The text in capitals."""
        return {"result": args.get("text", "").upper()}

    def handle_word_count(self, args):
        """Words, characters and different words of the text."""
        text = args.get("text", "")
        words = text.split()
        return {"word_count": len(words), "char_count": len(text), "unique_words": len(set(words))}

    def handle_letters(self, args):
        """Streams the letters of the text."""
        print("on its way to the log, not to the caller")
        yield from args.get("text", "")


def main():
    setup_broken_pipe_suppression()
    protocol_handler = ProtocolHandler(MySimpleHandler())
    setup_graceful_shutdown(protocol_handler)
    protocol_handler.run()


if __name__ == "__main__":
    main()
