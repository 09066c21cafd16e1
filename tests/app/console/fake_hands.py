"""Overrides for the fake API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException

from app.api.schemas.overrides import FreezeWrite, OverrideLift, OverrideView, OverrideWrite

if TYPE_CHECKING:
    from tests.app.console.fake_api import World


def router(world: World) -> APIRouter:
    """The routes, over the world's list."""
    routes = APIRouter()

    def made(service: str | None, wish: FreezeWrite) -> OverrideView:
        now_s, values = world.now(), wish.model_dump(exclude={"for_s"})
        if (values.get("replicas") or 0) > 12:
            raise HTTPException(422, "replicas: outside the policy's bounds")
        values = {"kind": "freeze", "replicas": None} | values
        ends = {"starts_at_s": now_s, "until_s": now_s + wish.for_s, "in_force": True}
        view = OverrideView(id=f"o{len(world.overrides)}", service=service, **values, **ends)
        world.overrides.append(view)
        return view

    @routes.get("/overrides")
    def overrides() -> list[OverrideView]:
        return [view for view in world.overrides if view.in_force]

    @routes.post("/services/{service}/overrides")
    def override(service: str, wish: OverrideWrite) -> OverrideView:
        return made(service, wish)

    @routes.post("/freezes")
    def freeze(wish: FreezeWrite) -> OverrideView:
        return made(None, wish)

    @routes.post("/overrides/{id}/lift")
    def lift(id: str, by: OverrideLift) -> OverrideView:
        at = next(i for i, view in enumerate(world.overrides) if view.id == id)
        world.overrides[at] = world.overrides[at].model_copy(update={"in_force": False, "lifted_by": by.author})
        return world.overrides[at]

    return routes
