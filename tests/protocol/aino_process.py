"""Aino as a process of its own, from this copy of the sources."""

from __future__ import annotations

from pathlib import Path

from uci.bench.engine_process import ANSWER_S, COMMAND, START_S, AinoProcess, EngineProcess

__all__ = ["ANSWER_S", "COMMAND", "ROOT", "START_S", "AinoProcess", "EngineProcess"]

ROOT = Path(__file__).resolve().parents[2]
