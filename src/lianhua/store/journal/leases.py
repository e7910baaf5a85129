"""The lease of a turn: for how long a worker may take it for its own without saying so again.

The store's clock decides. A worker that could not renew for `LEASE_S` less two seconds stops by itself
(`streams/commit`); who meets a lease that has run out may claim the turn (`lua/claim.lua`).
"""

from typing import Final

LEASE_S: Final = 15.0
