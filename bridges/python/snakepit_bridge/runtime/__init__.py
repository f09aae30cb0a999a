"""The worker at run time: one stream to the server, and the threads that serve it.

reader thread   takes messages off the stream (link.py), hands calls to whoever runs them
main thread     runs plain handlers, so that libraries that insist on it work and signals reach them (runner.py)
loop thread     runs async handlers; exists only if the adapter has any (asyncside.py)
sender thread   grpc's own: asks the outbox for the next message whenever the last one has left (outbox.py)
"""
