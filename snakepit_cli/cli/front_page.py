"""What `snakepit` and `snakepit --help` print. The fast path comes here: nothing is imported."""

from __future__ import annotations

SHARED = (
    ("-L, --instance NAME", "the instance to talk to (SNAKEPIT_INSTANCE; default: default)"),
    ("--no-start", "never start a server"),
    ("--color auto|always|never", "when to colour (NO_COLOR and FORCE_COLOR are honoured)"),
    ("-q, --quiet", "print only errors"),
    ("--debug", "show where an error comes from"),
)
"""Options of every verb."""

SHORT = """\
snakepit keeps warm, supervised pools of workers in any language behind one short command.

  snakepit exec ping                            call a command; the server and its pool are started when needed
  snakepit exec echo text=hello number:=42      text with =, JSON with :=, files with =@
  snakepit stream ping_stream count:=3          print chunks as they come, one a line
  snakepit map compute operation=sqrt --arg a   call a command for every line of the input
  snakepit up words --adapter words.py          start a pool of your own code
  snakepit down                                 stop everything

calls      exec  stream  map  commands
streams    tail  streams  wait  cancel
state      session  sessions  var  program  tools
pools      up  down  scale  restart  pause  resume  drain
look       status  workers  explain  logs
server     server  reap  debug
setup      adapters  bridge  completion

`snakepit VERB --help` shows examples and options of a verb.
"""
LONG = f"{SHORT}\nOptions of every verb:\n" + "".join(f"  {names:<28}  {text}\n" for names, text in SHARED)
