"""Other libraries: what is here as they expect it, and what is theirs as it is expected here. Each needs its extra."""

from tacitlab.interop.jaxmarl import JaxMarl
from tacitlab.markets.base import Market

#: Environments of other libraries that scenarios may name, beside the registered markets.
FOREIGN: tuple[type[Market], ...] = (JaxMarl,)

__all__ = ["FOREIGN", "JaxMarl"]
