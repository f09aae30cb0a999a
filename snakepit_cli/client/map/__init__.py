"""Bulk work: lines become blocks, blocks become answers in order, and a joblog says what is done."""
