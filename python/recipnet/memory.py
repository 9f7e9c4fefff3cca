"""Memory of large results, kept when they are gone and written again.

Memory fresh from the system is cleared page by page as it is first written, which in a loop over batches may take as
long as the work.
"""

from __future__ import annotations

from recipnet import _core

__all__ = ["empty_cache"]


def empty_cache() -> None:
    """Hand memory that is kept for the next large results back to the system.

    Results above 256 KiB (neighbour lists, reflections, structure factors, sums of `recipnet.ops` on the CPU) write to
    memory of earlier ones that are gone; at most 256 MiB of it is kept, and none that lay unused for ten seconds when
    the next result goes. Memory that is needed on the way (grids of large cells) is kept in the same manner, another
    256 MiB at most. Results that are in use are not touched.

    Examples
    --------
    >>> import recipnet as rn
    >>> rn.empty_cache()
    """
    _core.empty_cache()
