"""The configuration file becomes frozen settings that are checked once.

`tables` is what the file may hold, `schema` what the rest of the program gets, `load` reads and checks, `faults` says
what is wrong and where, `merge` fills in defaults and resolves paths.
"""
