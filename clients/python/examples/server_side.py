"""The four calls, for any framework and for scripts."""

import os
import time

from gatekeeper_client import Gatekeeper

with Gatekeeper(os.environ["GATEKEEPER_URL"], os.environ["SHOP_KEY"]) as gate:
    token = gate.enqueue("alice").token  # keep it: it is handed out once
    while not (status := gate.status(token)).is_ready:
        print(f"number {status.position} in line")
        time.sleep(status.poll_after)
    token = status.token
    print("may be served:", gate.verify(token))
    print("finished:", gate.finish(token))
