"""An adapter as one writes it for the original: async commands that get their arguments as a dict, and a session.

snakepit up science --adapter examples/original/data_science_adapter.py
snakepit exec load_data file_path=data.csv --pool science --session s
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from snakepit_bridge.adapters.base import BaseAdapter
from snakepit_bridge.session_context import SessionContext

MODELS = {"linear_regression": LinearRegression, "random_forest": RandomForestRegressor}


class DataScienceAdapter(BaseAdapter):
    """Loads, scales, learns. Models stay in the worker; what they are called is a variable of the session."""

    def __init__(self) -> None:
        super().__init__()
        self.models: dict[str, Any] = {}

    def set_session_context(self, context: SessionContext) -> None:
        self.session_context = context

    async def execute_load_data(self, args):
        """Reads a CSV file, and notes its shape in the session."""
        if not args.get("file_path"):
            raise ValueError("file_path is required")
        table = pd.read_csv(args["file_path"])
        if self.session_context:
            await self.session_context.register_variable("data_shape", "list", list(table.shape))
            await self.session_context.register_variable("columns", "list", table.columns.tolist())
        return {
            "rows": len(table),
            "columns": len(table.columns),
            "column_names": table.columns.tolist(),
            "dtypes": table.dtypes.to_dict(),
        }

    async def execute_preprocess(self, args):
        """Scales the features, and splits the rows into those to learn from and those to test with."""
        table = pd.DataFrame(args["data"])
        features = table.drop(columns=[args["target"]])
        scaler = StandardScaler()
        scaled = scaler.fit_transform(features)
        if self.session_context:
            self.models[f"{self.session_context.session_id}_scaler"] = scaler
        train, test, _, _ = train_test_split(scaled, table[args["target"]], test_size=0.2, random_state=42)
        return {
            "train_size": len(train),
            "test_size": len(test),
            "feature_means": scaler.mean_.tolist(),
            "feature_stds": scaler.scale_.tolist(),
        }

    async def execute_train_model(self, args):
        """Learns from the rows, and keeps the model in the worker."""
        kind = args.get("model_type", "linear_regression")
        if kind not in MODELS:
            raise ValueError(f"Unknown model type: {kind}")
        model = MODELS[kind](**args.get("hyperparams", {}))
        table = pd.DataFrame(args["data"])
        features = table.drop(columns=[args["target"]])
        model.fit(features, table[args["target"]])
        name = f"{self.session_context.session_id}_{kind}"
        if self.session_context:
            self.models[name] = model
            self.session_context["current_model"] = name
        score = float(model.score(features, table[args["target"]]))
        return {"model_id": name, "model_type": kind, "score": score, "training_complete": True}

    async def execute_predict(self, args):
        """The session's model, used by the worker that has it."""
        name = await self.session_context.get_variable("current_model")
        return {"model_id": name, "predictions": self.models[name].predict(pd.DataFrame(args["data"]))}
