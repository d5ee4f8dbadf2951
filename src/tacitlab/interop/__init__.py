"""Other libraries: what is here as they expect it, and what is theirs as it is expected here. Each needs its extra."""

from typing import TYPE_CHECKING

from tacitlab import registry

if TYPE_CHECKING:
    from tacitlab.interop.jaxmarl import JaxMarl as JaxMarl

__getattr__, __dir__ = registry.lazily(__name__)
