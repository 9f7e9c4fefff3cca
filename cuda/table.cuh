// Weights read from tables on a uniform grid by cubic convolution with a = -1/2 (R. G. Keys, IEEE Trans. ASSP 29 (1981) 1153,
// equation 15), or their derivatives by the place. A table has a row of `columns` numbers for each kind of atom, at least
// four; a place is from 0, where the second column is, to columns - 3.

// Where the reflections of a batch read: their places (H,), and how often the values are differentiated.
template <typename Real> struct Lookup {
    const Real* places;
    long long columns;
    long long order;
};

// First of the four columns about a place, and their weights.
template <typename Real> struct Stencil {
    long long cell;
    Real weights[4];
};

// Of a column beyond those beside the place and of one beside it, which is `t` columns away.
template <typename Real> static __device__ __forceinline__ Real far_weight(Real t, long long order) {
    return order == 0   ? Real(-0.5) * t * (1 - t) * (1 - t)
           : order == 1 ? Real(-0.5) + t * (2 - Real(1.5) * t)
           : order == 2 ? 2 - 3 * t
           : order == 3 ? Real(-3)
                        : Real(0);
}

template <typename Real> static __device__ __forceinline__ Real near_weight(Real t, long long order) {
    return order == 0   ? 1 + t * t * (Real(1.5) * t - Real(2.5))
           : order == 1 ? t * (Real(4.5) * t - 5)
           : order == 2 ? 9 * t - 5
           : order == 3 ? Real(9)
                        : Real(0);
}

// A place outside, or one that is no number, is of an outermost cell.
template <typename Real> static __device__ __forceinline__ Stencil<Real> stencil_of(Lookup<Real> lookup, long long row) {
    const Real place = lookup.places[row];
    const long long last = lookup.columns - 4;
    const long long cell = place >= static_cast<Real>(last) ? last : (place > 0 ? static_cast<long long>(place) : 0);
    const Real u = place - static_cast<Real>(cell);
    const Real v = 1 - u;
    const Real mirror = static_cast<Real>(lookup.order % 2 == 0 ? 1 : -1); // the weights on the right are those on the left
    return {cell,
            {far_weight(u, lookup.order), near_weight(u, lookup.order), mirror * near_weight(v, lookup.order),
             mirror * far_weight(v, lookup.order)}};
}

template <typename Real>
static __device__ __forceinline__ Real read(const Real* __restrict__ table, long long columns, long long kind,
                                            const Stencil<Real>& stencil) {
    const Real* four = table + kind * columns + stencil.cell;
    return (stencil.weights[0] * four[0] + stencil.weights[1] * four[1])
           + (stencil.weights[2] * four[2] + stencil.weights[3] * four[3]);
}
