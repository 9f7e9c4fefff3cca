"""The Fourier sums of models over ragged batches: what the operators are called by.

Conventions: docs/conventions.md. All are differentiable in every real and complex argument; the CPU runs the Rust core
on the tensors' own memory, CUDA runs the kernels of ``cuda/`` on torch's current stream.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recipnet.errors import ArgumentError
from recipnet.ops import operators
from recipnet.ops.checks import check_batch, check_contents, check_device, check_values, refuse
from recipnet.ops.table import extend


def _checked(frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor, check: bool) -> None:
    check_batch(frac, hkl, atom_offsets, hkl_offsets)
    if check and frac.device.type == "cuda":
        check_contents(frac, hkl, atom_offsets, hkl_offsets)


def recip_forward(
    q: Tensor, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor, *, check: bool = False
) -> Tensor:
    r"""Sum atom channels into reflections, ``S[h, c] = sum_j q[j, c] exp(+2 pi i h.x_j)``.

    Parameters
    ----------
    q : Tensor, shape (N, C)
        Real channels of every atom of the batch, in the type of ``frac``; on CUDA bfloat16 and float16 too, summed in
        float32.
    frac : Tensor, shape (N, 3)
        Fractional coordinates, float32 or float64; wrapping does not matter.
    hkl : Tensor, shape (H, 3), int32
        Indices of all reflections of the batch, within +-4095.
    atom_offsets, hkl_offsets : Tensor, shape (B + 1,), int64
        Rows of crystal ``b`` are ``offsets[b]:offsets[b + 1]``.
    check : bool
        Look at the contents of CUDA tensors too, which waits for the device. On the CPU they are always looked at.

    Returns
    -------
    Tensor, shape (H, C), complex

    Raises
    ------
    ArgumentError
        Wrong shape, type or device; offsets that fall, indices out of range, coordinates that are not finite.

    Examples
    --------
    Two equal atoms, body centred: h + k + l odd is absent.

    >>> import torch
    >>> frac = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]], dtype=torch.float64)
    >>> hkl = torch.tensor([[1, 0, 0], [1, 1, 0]], dtype=torch.int32)
    >>> offsets = torch.tensor([0, 2])
    >>> recip_forward(torch.ones(2, 1, dtype=torch.float64), frac, hkl, offsets, offsets).abs().flatten()
    tensor([0., 2.], dtype=torch.float64)
    """
    _checked(frac, hkl, atom_offsets, hkl_offsets, check)
    q = check_values("q", q, frac, (frac.shape[0], None), f"({frac.shape[0]}, C)")
    return operators.channel_forward(q, frac, hkl, atom_offsets, hkl_offsets)


def recip_adjoint(
    t: Tensor, frac: Tensor, hkl: Tensor, atom_offsets: Tensor, hkl_offsets: Tensor, *, check: bool = False
) -> Tensor:
    r"""Bring reflections back to atoms, ``y[j, c] = sum_h Re[conj(exp(+2 pi i h.x_j)) t[h, c]]``.

    The adjoint of :func:`recip_forward`: ``Re <t, forward(q)> = <adjoint(t), q>``.

    Parameters
    ----------
    t : Tensor, shape (H, C), complex
    frac, hkl, atom_offsets, hkl_offsets, check
        As for :func:`recip_forward`.

    Returns
    -------
    Tensor, shape (N, C), real

    Raises
    ------
    ArgumentError
        As for :func:`recip_forward`.
    """
    _checked(frac, hkl, atom_offsets, hkl_offsets, check)
    wanted = frac.dtype.to_complex()
    if not isinstance(t, Tensor) or t.ndim != 2 or t.shape[0] != hkl.shape[0] or t.shape[1] < 1 or t.dtype != wanted:
        kind = str(wanted).removeprefix("torch.")
        if isinstance(t, Tensor):
            raise refuse("t", t, f"({hkl.shape[0]}, C) {kind}")
        raise ArgumentError(f"t is a {type(t).__name__}: expected a tensor", name="t", value=t)
    check_device("t", t, frac)
    return operators.channel_adjoint(t, frac, hkl, atom_offsets, hkl_offsets)


def recip_convolve(
    q: Tensor,
    weight: Tensor,
    frac: Tensor,
    hkl: Tensor,
    atom_offsets: Tensor,
    hkl_offsets: Tensor,
    *,
    check: bool = False,
) -> Tensor:
    r"""Filter atom channels in reciprocal space, ``recip_adjoint(weight * recip_forward(q))``.

    On the CPU the complex numbers at the reflections stay in the cache.

    Parameters
    ----------
    q : Tensor, shape (N, C)
    weight : Tensor, shape (H, C), real
    frac, hkl, atom_offsets, hkl_offsets, check
        As for :func:`recip_forward`.

    Returns
    -------
    Tensor, shape (N, C), real

    Raises
    ------
    ArgumentError
        As for :func:`recip_forward`.
    """
    _checked(frac, hkl, atom_offsets, hkl_offsets, check)
    q = check_values("q", q, frac, (frac.shape[0], None), f"({frac.shape[0]}, C)", halves=False)
    shape = (hkl.shape[0], q.shape[1])
    weight = check_values("weight", weight, frac, shape, str(shape), halves=False)
    return operators.convolve(q, weight, frac, hkl, atom_offsets, hkl_offsets)


def structure_factor(
    frac: Tensor,
    weights: Tensor | None,
    hkl: Tensor,
    atom_offsets: Tensor,
    hkl_offsets: Tensor,
    *,
    per_term: bool = False,
    species: Tensor | None = None,
    table: Tensor | None = None,
    stol_max: float | None = None,
    inverse_d: Tensor | None = None,
    check: bool = False,
) -> Tensor:
    r"""Structure factors ``F(h) = sum_j w_j(h) exp(+2 pi i h.x_j)`` with weights that a model makes.

    Parameters
    ----------
    frac : Tensor, shape (N, 3)
    weights : Tensor, shape (N,) or (sum_b N_b H_b,), or None
        One for each atom, or one for each atom and reflection: crystal after crystal, inside a crystal atom after atom.
        Told apart by their number.
    hkl, atom_offsets, hkl_offsets, check
        As for :func:`recip_forward`.
    per_term : bool
        Where both readings of ``weights`` fit: the second.
    species : Tensor, shape (N,), int64
        With ``weights=None``: row of ``table`` of each atom.
    table : Tensor, shape (S, G)
        Form factors on the grid stol = 0 ... ``stol_max`` with stol = sin(theta) / lambda = 1 / (2 d) in 1/angstrom,
        read by cubic convolution.
    stol_max : float
        1/angstrom.
    inverse_d : Tensor, shape (H,)
        1/d in 1/angstrom.

    Returns
    -------
    Tensor, shape (H,), complex

    Raises
    ------
    ArgumentError
        As for :func:`recip_forward`; ``species`` or ``inverse_d`` beyond the table (on CUDA with ``check=True``).

    Examples
    --------
    >>> import torch
    >>> frac = torch.tensor([[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]], dtype=torch.float64)
    >>> hkl = torch.tensor([[1, 0, 0], [2, 0, 0]], dtype=torch.int32)
    >>> offsets = torch.tensor([0, 2])
    >>> structure_factor(frac, torch.tensor([2.0, 1.0], dtype=torch.float64), hkl, offsets, offsets)
    tensor([2.+1.j, 1.+0.j], dtype=torch.complex128)
    """
    _checked(frac, hkl, atom_offsets, hkl_offsets, check)
    if weights is None:
        if species is None or table is None or stol_max is None or inverse_d is None:
            raise ArgumentError(
                "weights is None: expected weights, or all of species, table, stol_max and inverse_d",
                name="weights",
                value=None,
            )
        values, places = _table(frac, hkl, species, table, stol_max, inverse_d, check)
        return operators.table_forward(values, places, species, 0, frac, hkl, atom_offsets, hkl_offsets)
    if species is not None or table is not None or stol_max is not None or inverse_d is not None:
        raise ArgumentError(
            "weights is given: species, table, stol_max and inverse_d belong to weights=None",
            name="weights",
            value=tuple(weights.shape),
        )
    atoms = frac.shape[0]
    weights = check_values("weights", weights, frac, (None,), f"({atoms},) or (sum of N_b H_b,)")
    if per_term or weights.shape[0] != atoms:
        if check and frac.device.type == "cuda":
            needed = int((atom_offsets.diff() * hkl_offsets.diff()).sum())
            if weights.shape[0] != needed:
                raise refuse("weights", weights, f"({atoms},) or ({needed},)")
        return operators.term_forward(weights, frac, hkl, atom_offsets, hkl_offsets)
    return operators.channel_forward(weights[:, None], frac, hkl, atom_offsets, hkl_offsets).squeeze(1)


def _table(
    frac: Tensor, hkl: Tensor, species: Tensor, table: Tensor, stol_max: float, inverse_d: Tensor, check: bool
) -> tuple[Tensor, Tensor]:
    """The table with a column more on either side, and the places of the reflections in it."""
    if not isinstance(species, Tensor) or species.shape != frac.shape[:1] or species.dtype != torch.int64:
        if isinstance(species, Tensor):
            raise refuse("species", species, f"({frac.shape[0]},) int64")
        raise ArgumentError(f"species is a {type(species).__name__}: expected a tensor", name="species", value=species)
    check_device("species", species, frac)
    table = check_values("table", table, frac, (None, None), "(S, G) with G >= 3", halves=False)
    if table.shape[1] < 3 or table.shape[0] < 1:
        raise refuse("table", table, "(S, G) with S >= 1 and G >= 3")
    inverse_d = check_values("inverse_d", inverse_d, frac, (hkl.shape[0],), f"({hkl.shape[0]},)", halves=False)
    if not (isinstance(stol_max, (int, float)) and 0.0 < stol_max < float("inf")):
        raise ArgumentError(f"stol_max = {stol_max!r}: expected a number above 0", name="stol_max", value=stol_max)
    look = frac.device.type == "cpu" and not torch.compiler.is_compiling()
    if look or check:
        # a ball's edge is met up to rounding
        inside = (inverse_d >= 0.0) & (inverse_d <= 2.0 * stol_max * (1.0 + 1e-5))
        if not bool(inside.all()):
            raise refuse("inverse_d", inverse_d, f"values from 0 to 2 stol_max = {2.0 * stol_max:g}")
        if species.numel() and not 0 <= int(species.min()) <= int(species.max()) < table.shape[0]:
            raise refuse("species", species, f"rows of table, 0 to {table.shape[0] - 1}")
    last = table.shape[1] - 1.0
    return extend(table), (inverse_d * (last / (2.0 * stol_max))).clamp(0.0, last)
