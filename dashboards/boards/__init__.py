"""The five dashboards, from the whole fleet down to one GPU."""

from __future__ import annotations

from dashboards.board import Board
from dashboards.boards import cost, decisions, fleet, gpu, service
from dashboards.settings import Settings


def boards(settings: Settings) -> tuple[Board, ...]:
    """All of them, in the order of the menu."""
    return (fleet.board(settings), service.board(settings), decisions.board(), cost.board(), gpu.board())
