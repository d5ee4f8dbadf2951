"""A process that plays cells for the driver of a sweep on the same machine: ``python -m tacitlab.sweep.worker``.

It reads batches from standard input and answers on standard output. When the driver ends, however that happens, so
does the worker, in the middle of a cell if need be.
"""

import os
import queue
import sys
import threading
from multiprocessing.connection import Connection


def main() -> None:
    """Play batches until standard input ends."""
    back = Connection(os.dup(1), readable=False)
    os.dup2(2, 1)  # what libraries print must not get among the answers
    come = Connection(os.dup(0), writable=False)
    order = come.recv()
    batches: queue.SimpleQueue[object] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                batches.put(come.recv())
        except (EOFError, OSError):
            os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    from tacitlab.sweep import cell

    back.send(None)  # ready
    while True:
        back.send(cell.play(order, batches.get()))  # type: ignore[arg-type]


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)
