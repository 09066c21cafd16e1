"""Who asks, and the tokens of all who may: made, listed, revoked. The secret of a token is in one answer only."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from app.access.guard import principal_of
from app.access.principal import Principal
from app.access.tokens import Token, TokenStore, Wish
from app.api.backend import Back
from app.api.errors import problems
from app.api.schemas.access import Me, TokenEnd, TokenMade, TokenView, TokenWrite

router = APIRouter(tags=["access"])


def store_of(back: Back) -> TokenStore:
    """The tokens; 404 where the daemon keeps none."""
    if back.tokens is None:
        raise HTTPException(404, "this daemon keeps no tokens")
    return back.tokens


Store = Annotated[TokenStore, Depends(store_of)]


@router.get("/me")
async def me(request: Request) -> Me:
    """Who asks, as the API knows them."""
    found: Principal = principal_of(request.scope)
    services = None if found.services is None else sorted(found.services)
    return Me(name=found.name, role=found.role, services=services, by=found.by)


@router.get("/tokens", responses=problems(404))
async def tokens(store: Store) -> list[TokenView]:
    """Every token, valid or over, newest first."""
    now_s = time.time()
    return [view(token, now_s) for token in await asyncio.to_thread(store.all)]


@router.post("/tokens", status_code=201, responses=problems(404, 422))
async def make(wish: TokenWrite, store: Store, response: Response) -> TokenMade:
    """Make a token; its text is in this answer and nowhere else."""
    now_s, services = time.time(), None if wish.services is None else frozenset(wish.services)
    wanted = Wish(wish.name, wish.role, services, wish.expires_in_s)
    made, text = await asyncio.to_thread(store.make, wanted, wish.author, wish.reason, now_s)
    response.headers["Cache-Control"] = "no-store"
    return TokenMade(**view(made, now_s).model_dump(), token=text)


@router.post("/tokens/{id}/revoke", responses=problems(404, 422))
async def revoke(id: str, by: TokenEnd, store: Store) -> TokenView:
    """End a token at once and for good."""
    now_s = time.time()
    try:
        return view(await asyncio.to_thread(store.revoke, id, by.author, by.reason, now_s), now_s)
    except KeyError:
        raise HTTPException(404, "no such token; GET /api/v1/tokens lists them") from None


def view(token: Token, now_s: float) -> TokenView:
    """A token as the API shows it."""
    same = ("id", "name", "role", "made_at_s", "made_by", "expires_at_s", "revoked_at_s", "revoked_by")
    services = None if token.services is None else sorted(token.services)
    return TokenView(**{name: getattr(token, name) for name in same}, services=services, state=token.state(now_s))
