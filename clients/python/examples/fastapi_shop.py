"""A backend that serves only whose turn has come. Run: uvicorn fastapi_shop:app"""

import os
from typing import Annotated

from fastapi import Depends, FastAPI
from gatekeeper_client import AsyncGatekeeper, Visitor
from gatekeeper_client.fastapi import require_ready

gate = AsyncGatekeeper(os.environ["GATEKEEPER_URL"], os.environ["SHOP_KEY"])
Ready = Annotated[Visitor, Depends(require_ready(gate))]
app = FastAPI()


@app.get("/checkout")
async def checkout(visitor: Ready) -> dict[str, str]:
    return {"served": visitor.user}


@app.post("/checkout/pay")
async def pay(visitor: Ready) -> dict[str, bool]:
    return {"paid": True, "finished": await gate.finish(visitor.token)}
