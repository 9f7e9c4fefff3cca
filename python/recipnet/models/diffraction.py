"""The diffraction stream of PRDNet, exact: intensities of learned pseudo-particles, summed over a ball."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipnet.errors import ArgumentError, DataError
from recipnet.models.radial import Gaussians, envelope
from recipnet.models.segments import segment_outer, segment_sum
from recipnet.models.triples import closed_triples
from recipnet.ops import form_factor_table, recip_forward, structure_factor
from recipnet.ops.table import interpolate

if TYPE_CHECKING:
    from recipnet.data import TensorBatch

LEVELS = ("powder", "set", "pairs")
FACTORS = ("learned", "full", "xray")
#: Highest atomic number with a tabulated X-ray form factor.
TABULATED = 98


class TermFactors(nn.Module):
    """Structure factors whose form factors are a network of the atom's state and |G|, ``MLP([h_i, RBF(|G|)])``.

    The first map of the network acts on atoms and reflections apart and is added for each pair of them.
    """

    def __init__(self, channels: int, num_radial: int, form_factors: int) -> None:
        super().__init__()
        self.atom = nn.Linear(channels, 2 * form_factors)
        self.length = nn.Linear(num_radial, 2 * form_factors, bias=False)
        self.out = nn.Linear(2 * form_factors, form_factors)

    def forward(self, h: Tensor, radial: Tensor, batch: TensorBatch) -> Tensor:
        """``h (N, C), radial (H, num_radial) -> F (H, P)``, complex."""
        hkl, hkl_offsets = batch.required("hkl", "hkl_offsets")
        place = (hkl, batch.atom_offsets, hkl_offsets)
        # terms in the order of the sums: every atom of a crystal with all its reflections
        count = hkl_offsets.diff().index_select(0, batch.atom_crystal)
        atom = torch.repeat_interleave(torch.arange(len(h), device=h.device), count)
        first = hkl_offsets.index_select(0, batch.atom_crystal) - (count.cumsum(0) - count)
        reflection = torch.arange(len(atom), device=h.device) + first.index_select(0, atom)
        inner = self.atom(h).index_select(0, atom) + self.length(radial).index_select(0, reflection)
        factors = self.out(F.silu(inner)) * batch.occupancies.index_select(0, atom)[:, None]
        channels = factors.t().contiguous().unbind(0)
        sums = [structure_factor(batch.frac, weights, *place, per_term=True) for weights in channels]
        return torch.stack(sums, dim=1)


class Diffraction(nn.Module):
    r"""Features of a crystal from its squared structure factors.

    Form factors are separable by default, ``f_i(G) = a_i phi(|G|)`` with ``a_i = W h_i``: they know the species, its
    environment and the length of G. With N atoms in the cell,

    .. math::
        F(\mathbf G) = \frac{\varphi(|\mathbf G|)}{N} \sum_i a_i e^{i \mathbf G \cdot \mathbf p_i}, \qquad
        I = |F|^2, \qquad \varphi(G) = u(G / G_{max})\, \mathrm{MLP}(\mathrm{RBF}(G)).

    The sums over reflections are plain: in a larger cell of the same crystal F is the same at the old reflections and
    zero at the new ones, so a sum stays what it was where a mean would not.

    Parameters
    ----------
    channels : int
        Width of the atoms and of the result.
    d_min : float
        Angstrom; the ball is ``0 < |G| <= 2 pi / d_min``, one of each opposite pair.
    form_factors : int
        Number P of pseudo-particles.
    factors : {"learned", "full", "xray"}
        ``"full"``: ``f_i(G) = MLP([h_i, RBF(|G|)])``, a network for each atom and reflection: small cells and few
        pseudo-particles; phi = u. ``"xray"``: the tabulated X-ray form factors of neutral atoms, with phi = u; then P
        is 1.
    level : {"powder", "set", "pairs"}
        ``"powder"``: sums of I weighted by Gaussians of |G|, as powder lines. ``"set"``: a network sees every
        reflection by itself, gated by its intensity. ``"pairs"``: ``"powder"`` and sums of the triple products
        ``Re[F(G1) F(G2) F(-G1-G2)]``, which see phases and yet no origin.
    shells : int
        Gaussians of |G| that the powder sums are weighted with.
    num_radial : int
        Gaussians that span phi.
    d_pairs : float
        Angstrom; for ``"pairs"``: all three reflections of a triple have ``d >= d_pairs``.
    hidden : int, optional
        Width between the sums and the result; twice ``channels`` by default.
    dropout : float
    """

    table: Tensor

    def __init__(
        self,
        channels: int,
        *,
        d_min: float,
        form_factors: int = 64,
        factors: str = "learned",
        level: str = "powder",
        shells: int = 24,
        num_radial: int = 32,
        d_pairs: float = 3.0,
        hidden: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if level not in LEVELS:
            raise ArgumentError(f"level = {level!r}: one of {', '.join(LEVELS)}", name="level", value=level)
        if level == "pairs" and d_pairs < d_min:
            message = f"d_pairs = {d_pairs}: must be at least d_min = {d_min:g}, the edge of the ball of reflections"
            raise ArgumentError(message, name="d_pairs", value=d_pairs)
        if factors not in FACTORS:
            raise ArgumentError(f"factors = {factors!r}: one of {', '.join(FACTORS)}", name="factors", value=factors)
        hidden = 2 * channels if hidden is None else hidden
        self.level = level
        self.q_max = 2.0 * math.pi / d_min
        self.radial = Gaussians(0.0, self.q_max, num_radial)
        self.amplitude = self.profile = self.full = None
        if factors == "full":
            self.full = TermFactors(channels, num_radial, form_factors)
        elif factors == "xray":
            form_factors = 1
            table = form_factor_table(range(1, TABULATED + 1), 0.5 / d_min, dtype=torch.float64)
            self.register_buffer("table", table, persistent=False)
        else:
            self.amplitude = nn.Linear(channels, form_factors)
            self.profile = nn.Sequential(
                nn.Linear(num_radial, form_factors), nn.SiLU(), nn.Linear(form_factors, form_factors)
            )
        if level == "set":
            width = form_factors + num_radial
            self.each = nn.Sequential(nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, channels))
            return
        self.shells = Gaussians(0.0, self.q_max, shells)
        self.log_scale = nn.Parameter(torch.zeros(shells, form_factors))
        width = shells * form_factors
        if level == "pairs":
            self.q_pairs = 2.0 * math.pi / d_pairs
            self.d_pairs = d_pairs
            self.pair_shells = Gaussians(0.0, self.q_pairs, shells)
            self.pair_log_scale = nn.Parameter(torch.zeros(shells, form_factors))
            width *= 2
        self.dense = nn.Sequential(
            nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.SiLU(), nn.Dropout(dropout), nn.Linear(hidden, channels)
        )

    def structure_factors(self, h: Tensor, batch: TensorBatch) -> Tensor:
        """What of F is the atoms', ``F / phi``: ``(H, P)``, complex."""
        hkl, hkl_offsets, inverse_d = batch.required("hkl", "hkl_offsets", "inverse_d")
        place = (batch.frac, hkl, batch.atom_offsets, hkl_offsets)
        if self.full is not None:
            (inverse_d,) = batch.required("inverse_d")
            total = self.full(h, self.radial(inverse_d * (2.0 * math.pi)), batch)
        elif self.amplitude is None:
            species, kind = torch.unique(batch.numbers, return_inverse=True)
            if int(species[-1]) > TABULATED:
                message = f"atomic number {int(species[-1])}: X-ray form factors are tabulated up to {TABULATED}"
                raise DataError(message, value=int(species[-1]))
            present = torch.zeros(len(kind), len(species), dtype=h.dtype, device=h.device)
            present = present.scatter(1, kind[:, None], batch.occupancies[:, None])
            table = self.table.to(h.dtype).index_select(0, species - 1)
            tabulated = interpolate(table, inverse_d * (2.0 * math.pi / self.q_max * (table.shape[1] - 1)))
            total = (recip_forward(present, *place) * tabulated).sum(1, keepdim=True)
        else:
            total = recip_forward(self.amplitude(h) * batch.occupancies[:, None], *place)
        atoms = segment_sum(batch.occupancies[:, None], batch.atom_crystal, batch.num_crystals)
        return total / atoms.index_select(0, batch.hkl_crystal)

    def phi(self, q: Tensor, q_max: float) -> Tensor:
        """Profile of the form factors that ends at ``q_max``, (H, P)."""
        ending = envelope(q / q_max)[:, None]
        if self.profile is None:
            return ending
        out: Tensor = self.profile(self.radial(q)) * ending
        return out

    def forward(self, h: Tensor, batch: TensorBatch) -> Tensor:
        """``(N, C) -> (B, C)``."""
        factors = self.structure_factors(h, batch)
        (inverse_d,) = batch.required("inverse_d")
        q = inverse_d * (2.0 * math.pi)
        intensity = (factors.real.square() + factors.imag.square()) * self.phi(q, self.q_max).square()
        if self.level == "set":
            strength = intensity.sum(1, keepdim=True)
            gate = strength / (1.0 + strength)
            seen = self.each(torch.cat([torch.log1p(intensity), self.radial(q)], dim=1))
            return segment_sum(gate * seen, batch.hkl_crystal, batch.num_crystals)
        sums = segment_outer(self.shells(q), intensity, batch.hkl_crystal, batch.num_crystals)
        features = torch.log1p(sums * self.log_scale.exp()).flatten(1)
        if self.level == "pairs":
            features = torch.cat([features, self.triple_sums(factors, q, batch)], dim=1)
        out: Tensor = self.dense(features)
        return out

    def triple_sums(self, factors: Tensor, q: Tensor, batch: TensorBatch) -> Tensor:
        """Sums of ``Re[F1 F2 F3]`` over closed triples, by their mean length: ``(B, shells P)``."""
        triples = closed_triples(batch, self.d_pairs)
        ends = self.phi(q, self.q_pairs)  # a smaller ball, the same profile
        product, length = None, torch.zeros((), dtype=q.dtype, device=q.device)
        for row, opposite in zip(triples.rows, triples.opposite, strict=True):
            factor = factors.index_select(0, row)
            factor = torch.where(opposite[:, None], factor.conj(), factor) * ends.index_select(0, row)
            product = factor if product is None else product * factor
            length = length + q.index_select(0, row) / 3.0
        assert product is not None
        sums = segment_outer(self.pair_shells(length), product.real, triples.crystal, batch.num_crystals)
        return torch.asinh(sums * self.pair_log_scale.exp()).flatten(1)
