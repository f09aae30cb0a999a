"""Talks to an instance: finds or starts it, sends requests, waits for the end. Knows no words and no pictures."""
