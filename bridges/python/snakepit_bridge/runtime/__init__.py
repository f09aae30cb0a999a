"""The worker at run time: one stream to the server, and the threads that serve it.

main thread     reads the stream and runs plain handlers, so that libraries that insist on it work and signals reach
                them (worker.py, runner.py); sends its answers itself
standby_reader      reads while a handler keeps the main thread busy, sends what was left for later (standby_reader.py)
loop thread     runs async handlers; exists only if the adapter has any (asyncside.py)
"""
