"""The showcase adapter, put together from its groups."""

from __future__ import annotations

from snakepit_bridge.adapters.base import BaseAdapter
from snakepit_bridge.adapters.showcase.arithmetic import ArithmeticCommands
from snakepit_bridge.adapters.showcase.basics import BasicCommands
from snakepit_bridge.adapters.showcase.batches import BatchCommands
from snakepit_bridge.adapters.showcase.datasets import DatasetCommands
from snakepit_bridge.adapters.showcase.demonstrations import DemonstrationCommands
from snakepit_bridge.adapters.showcase.inference import InferenceCommands
from snakepit_bridge.adapters.showcase.learning import LearningCommands
from snakepit_bridge.adapters.showcase.logs import LogCommands
from snakepit_bridge.adapters.showcase.programs import ProgramCommands
from snakepit_bridge.adapters.showcase.tensors import TensorCommands
from snakepit_bridge.adapters.showcase.texts import TextCommands
from snakepit_bridge.adapters.showcase.variables import VariableCommands

__all__ = ["ShowcaseAdapter"]


class ShowcaseAdapter(
    BasicCommands, ArithmeticCommands, BatchCommands, DatasetCommands, TensorCommands, TextCommands, InferenceCommands,
    LearningCommands, LogCommands, ProgramCommands, VariableCommands, DemonstrationCommands, BaseAdapter,
):  # fmt: skip
    """Commands to try snakepit with: calls, streams, failures, a CSV analyser, a log follower, a digit classifier,
    embeddings, a text generator, and programs in sessions."""
