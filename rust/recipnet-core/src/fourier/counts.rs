//! The sizes of a basis, and the two sums that they must equal.

use super::group::Group;

/// How many plane waves, orbits and functions a truncation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Operations of the group.
    pub n_ops: u64,
    /// Indices in the truncation, h = 0 and absent ones included.
    pub n_hkl: u64,
    /// Orbits of indices.
    pub n_orbits_all: u64,
    /// Systematically absent indices.
    pub n_absent_hkl: u64,
    /// Orbits of absent indices.
    pub n_absent_orbits: u64,
    /// Functions: allowed orbits.
    pub n_basis: u64,
    /// Allowed orbits that hold -h with h.
    pub n_centric_orbits: u64,
    /// Allowed orbits whose -h lie in another.
    pub n_acentric_orbits: u64,
    /// Indices of the centric orbits.
    pub n_centric_hkl: u64,
    /// Real functions.
    pub n_real_basis: u64,
    /// Sum over all indices of the number of operations that leave them in place.
    pub sum_eps: u64,
    /// Indices that are not absent.
    pub nnz: u64,
}

impl Counts {
    /// Burnside's lemma and the trace of the projector, by counting fixed indices; the slow twin of the orbits.
    ///
    /// `n_orbits = 1/n sum_g |fix(g)|`, `n_basis = 1/n sum_g sum_{h in fix(g)} cos(2 pi h w)`, fix(g) = {h: h W = h}.
    pub(super) fn hold(&self, group: &Group, indices: &[[i32; 3]]) -> bool {
        let denominator = f64::from(group.denominator());
        let (mut fixed, mut trace) = (0u64, 0.0);
        for one in group.operations().as_slice() {
            for &h in indices {
                let image: [i32; 3] =
                    std::array::from_fn(|c| (0..3).map(|r| h[r] * i32::from(one.rotation[r][c])).sum());
                if image == h {
                    let turns: i32 = (0..3).map(|c| h[c] * i32::from(one.translation[c])).sum();
                    fixed += 1;
                    trace += (f64::from(turns) / denominator * std::f64::consts::TAU).cos();
                }
            }
        }
        let n = group.operations().len() as u64;
        let basis = trace / n as f64;
        fixed == n * self.n_orbits_all
            && self.sum_eps == fixed
            && (basis - self.n_basis as f64).abs() < 1e-6 * (1.0 + basis)
            && self.n_basis == self.n_centric_orbits + self.n_acentric_orbits
            && self.n_real_basis == self.n_basis
            && self.n_hkl == self.nnz + self.n_absent_hkl
            && self.n_hkl == indices.len() as u64
    }
}
