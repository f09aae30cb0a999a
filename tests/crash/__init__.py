"""Faults on purpose, each in a universe of its own, judged by an oracle that sees every process there.

python -m tests.crash --list
python -m tests.crash --suite kill-warden --trials 100 --seed 7
python -m tests.crash --suite kill-warden --trials 3 --without pdeathsig      (must go red)
python -m tests.crash --report                                                (the long form; takes hours)
"""
