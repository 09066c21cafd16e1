"""Errors as the API tells them: a status and ``{"detail": "one sentence"}``, whatever went wrong."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.exceptions import HTTPException

from app.api.declared import Committed
from app.api.schemas.schema import Schema
from autoscaler.store.policies import StaleWrite
from collectors.redact import redacted


class Problem(Schema):
    """What went wrong, in one sentence; and what to commit, where policies are committed."""

    detail: str = Field(examples=["no service 'chat'; known: chat-8b, code-32b"])
    yaml: str | None = None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route for the OpenAPI document."""
    return {status: {"model": Problem} for status in statuses}


def problem(status: int, detail: str) -> JSONResponse:
    """An error answer."""
    return JSONResponse({"detail": detail}, status_code=status)


async def refused(request: Request, error: Exception) -> JSONResponse:
    """An HTTP error raised by a route or by the framework."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": redacted(str(error.detail))}, error.status_code, dict(error.headers or {}))


async def invalid(request: Request, error: Exception) -> JSONResponse:
    """A request that does not fit the route: the first mistake, by place."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return problem(422, f"{where or 'body'}: {first['msg']}")


async def stale(request: Request, error: Exception) -> JSONResponse:
    """A policy write that was made from an older version."""
    return problem(409, str(error))


async def committed(request: Request, error: Exception) -> JSONResponse:
    """A policy write where policies are committed: with the YAML."""
    assert isinstance(error, Committed)
    return JSONResponse({"detail": str(error), "yaml": error.yaml}, 409)


def install(app: FastAPI) -> None:
    """Answer every error in the one form."""
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(StaleWrite, stale)
    app.add_exception_handler(Committed, committed)
