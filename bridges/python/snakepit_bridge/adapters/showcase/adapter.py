"""The showcase adapter, put together from its groups."""

from __future__ import annotations

from snakepit_bridge.adapters.base import BaseAdapter
from snakepit_bridge.adapters.showcase.arithmetic import ArithmeticCommands
from snakepit_bridge.adapters.showcase.basics import BasicCommands
from snakepit_bridge.adapters.showcase.datasets import DatasetCommands
from snakepit_bridge.adapters.showcase.learning import LearningCommands
from snakepit_bridge.adapters.showcase.logs import LogCommands

__all__ = ["ShowcaseAdapter"]


class ShowcaseAdapter(BasicCommands, ArithmeticCommands, DatasetCommands, LearningCommands, LogCommands, BaseAdapter):
    """Commands to try snakepit with: calls, streams, failures, a CSV analyser, a log follower, a digit classifier."""
