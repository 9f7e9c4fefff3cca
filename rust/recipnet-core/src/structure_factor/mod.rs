//! Structure factors and the Fourier sums of models, on the CPU, for ragged batches.
//!
//! With the phase `e_j(h) = exp(+2 pi i h.x_j)` (International Tables B, 1.2: the sign of a structure factor), over the
//! atoms j and the reflections h of one crystal:
//!
//! - [`forward`]: `F(h) = sum_j w_j(h) e_j(h)`, with [`Weights`] for each atom, for each term, or from tables;
//! - [`adjoint`]: `Re[conj(e_j(h)) g(h)]`, summed as [`Keep`] says: the gradient of `F` in its weights; [`table_adjoint`]:
//!   that in the values of a table;
//! - [`position_gradient`]: `2 pi sum_h h w_j(h) Re[conj(i e_j(h)) g(h)]`: the gradient of `F` in the coordinates;
//! - [`channels_forward`], [`channels_adjoint`], [`channels_position_gradient`]: the same with C numbers at each atom and
//!   C complex numbers at each reflection;
//! - [`channels_convolve`], [`channels_correlate`]: `adjoint(weight forward(q))` and `Re[conj(forward(q)) forward(p)]`
//!   without the (H, C) complex numbers between.
//!
//! All write the whole of `out`, which the caller provides: memory that is touched for the first time would take longer
//! than the sums.
//!
//! A gradient `g` of a complex number holds the derivatives by its real and imaginary part. Errors, as
//! `max |F - F_exact| / sum_j |w_j(h)|`, stay below 1e-12 in float64 and 1e-5 in float32 for |h| up to 64. Results are
//! the same bytes for every number of threads and every composition of the batch; between processors with and without
//! fused products they differ by rounding.

// A loop gets the instructions of the function that it is inlined into: here that is not a hint.
#![allow(clippy::inline_always)]

mod channels;
mod combine;
mod factors;
mod grid;
mod obeyed;
mod orbits;
mod phases;
mod ragged;
mod rows;
mod runs;
mod scatterers;
mod separable;
#[cfg(test)]
mod settings;
mod shells;
mod tables;
mod weighted;

#[cfg(test)]
mod tests;

pub use crate::scalar::Scalar;
pub use factors::{ORBIT_ATOMS, structure_factors};
pub(crate) use factors::{ORBIT_TERMS, Workspace, nanos};
pub(crate) use obeyed::obeyed;
pub use ragged::{MAX_INDEX, Ragged};
pub use scatterers::{Resolved, Scatterers, Species, resolve};
#[cfg(test)]
pub(crate) use settings::Setting;
pub use tables::{Lookup, table_adjoint};
pub use weighted::{Keep, Weights};

use self::channels::{ChannelAdjoint, ChannelForward, ChannelPositionGradient, Fused, FusedSums};
use self::phases::{BLOCK, CHUNK};
use self::ragged::{Piece, check_length};
use self::runs::STRETCH;
use self::weighted::{Adjoint, Forward, PositionGradient};
use crate::error::{ArgumentError, Error, Result};
use crate::machine::dispatch;
use crate::parallel;

/// Nanoseconds that a term takes, and with C channels a term's channel; they only decide whether threads are woken.
const TERM: f64 = 1.0;
const TERM_CHANNEL: f64 = 0.05;

fn check_kinds(kinds: &[i64], count: usize, atoms: usize) -> Result<()> {
    check_length("kinds", kinds.len(), atoms, "one for each atom")?;
    match kinds.iter().position(|&kind| kind < 0 || kind >= count as i64) {
        None => Ok(()),
        Some(row) => Err(Error::Argument(ArgumentError {
            name: "kinds",
            value: kinds[row].to_string(),
            message: format!("must be from 0 to {}, row {row} is not", count.saturating_sub(1)),
        })),
    }
}

fn check_channels(channels: usize) -> Result<()> {
    if channels > 0 {
        return Ok(());
    }
    Err(Error::Argument(ArgumentError {
        name: "channels",
        value: "0".into(),
        message: "must be at least 1".into(),
    }))
}

impl<T: Scalar> Weights<'_, T> {
    fn check(&self, batch: &Ragged<T>) -> Result<()> {
        match self {
            Weights::Atom(w) => check_length("weights", w.len(), batch.num_atoms(), "one for each atom"),
            Weights::Term(w) => check_length(
                "weights",
                w.len(),
                batch.num_terms(),
                "one for each atom and reflection",
            ),
            Weights::Table { values, lookup } => {
                lookup.check(batch)?;
                let needed = lookup.rows.saturating_mul(lookup.columns);
                check_length("values", values.len(), needed, "one for each row and column")
            }
        }
    }
}

/// Cut `out` into the parts of the pieces, which own it in their order, and work on each.
fn share<V: Send>(
    pieces: Vec<Piece>,
    out: &mut [V],
    length: impl Fn(&Piece) -> usize,
    nanos: f64,
    threads: Option<usize>,
    work: impl Fn(Piece, &mut [V]) + Sync,
) -> Result<()> {
    let workers = parallel::workers(threads, nanos)?;
    let mut rest = out;
    let mut items = Vec::with_capacity(pieces.len());
    for (place, piece) in pieces.into_iter().enumerate() {
        let (own, others) = rest.split_at_mut(length(&piece));
        rest = others;
        items.push((place, piece, own));
    }
    // Workers take items one after the other: those that are worked on together should not share a page of the result
    // that the system has yet to clear.
    let run = items.len().div_ceil(workers).max(1);
    items.sort_by_key(|&(place, ..)| place % run);
    parallel::for_each(items, workers, |(_, piece, own)| {
        work(piece, own);
    })
}

/// `F(h) = sum_j w_j(h) exp(+2 pi i h.x_j)`: (H) complex numbers, real part first.
///
/// # Errors
/// Weights that do not fit the batch.
///
/// # Examples
/// Two equal atoms, body centred: h + k + l odd is absent.
/// ```
/// use recipnet_core::structure_factor::{Ragged, Weights, forward};
///
/// let frac = [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]];
/// let batch = Ragged::new(&frac, &[[1, 0, 0], [1, 1, 0]], &[0, 2], &[0, 2])?;
/// let mut f = [[0.0f64; 2]; 2];
/// forward(&batch, &Weights::Atom(&[1.0f64, 1.0]), None, &mut f)?;
/// assert!(f[0][0].abs() < 1e-15 && (f[1][0] - 2.0).abs() < 1e-15);
/// # Ok::<(), recipnet_core::error::Error>(())
/// ```
pub fn forward<T: Scalar>(
    batch: &Ragged<T>,
    weights: &Weights<T>,
    threads: Option<usize>,
    out: &mut [[T; 2]],
) -> Result<()> {
    weights.check(batch)?;
    check_length("out", out.len(), batch.num_reflections(), "one for each reflection")?;
    let nanos = batch.num_terms() as f64 * TERM;
    let work = |piece, out: &mut [[T; 2]]| {
        dispatch(Forward {
            batch: *batch,
            weights: *weights,
            piece,
            out,
        });
    };
    share(
        batch.pieces(true, STRETCH),
        out,
        |piece| piece.rows.len(),
        nanos,
        threads,
        work,
    )
}

/// `Re[conj(exp(+2 pi i h.x_j)) g(h)]` for `g` (H), kept or summed as `keep` says.
///
/// # Errors
/// Arrays that do not fit the batch.
pub fn adjoint<T: Scalar>(
    batch: &Ragged<T>,
    g: &[[T; 2]],
    keep: Keep,
    threads: Option<usize>,
    out: &mut [T],
) -> Result<()> {
    check_length("g", g.len(), batch.num_reflections(), "one for each reflection")?;
    let nanos = batch.num_terms() as f64 * TERM;
    let size = match keep {
        Keep::Atom => batch.num_atoms(),
        Keep::Term => batch.num_terms(),
    };
    let length = |piece: &Piece| match keep {
        Keep::Atom => piece.rows.len(),
        Keep::Term => piece.rows.len() * piece.part.reflections.len(),
    };
    check_length("out", out.len(), size, "as many as are kept")?;
    let work = |piece, out: &mut [T]| {
        dispatch(Adjoint {
            batch: *batch,
            g,
            keep,
            piece,
            out,
        });
    };
    share(batch.pieces(false, CHUNK), out, length, nanos, threads, work)
}

/// Gradient in the coordinates (N, 3): `2 pi sum_h h w_j(h) (g_im cos - g_re sin)` for `g` (H).
///
/// # Errors
/// Arrays that do not fit the batch.
pub fn position_gradient<T: Scalar>(
    batch: &Ragged<T>,
    weights: &Weights<T>,
    g: &[[T; 2]],
    threads: Option<usize>,
    out: &mut [[T; 3]],
) -> Result<()> {
    weights.check(batch)?;
    check_length("g", g.len(), batch.num_reflections(), "one for each reflection")?;
    check_length("out", out.len(), batch.num_atoms(), "one for each atom")?;
    let nanos = batch.num_terms() as f64 * TERM;
    let work = |piece, out: &mut [[T; 3]]| {
        dispatch(PositionGradient {
            batch: *batch,
            weights: *weights,
            g,
            piece,
            out,
        });
    };
    share(
        batch.pieces(false, CHUNK),
        out,
        |piece| piece.rows.len(),
        nanos,
        threads,
        work,
    )
}

const BY_ATOM: &str = "one for each atom and channel";
const BY_REFLECTION: &str = "one for each reflection and channel";

fn check_rows<V>(name: &'static str, values: &[V], rows: usize, channels: usize, what: &str) -> Result<()> {
    check_channels(channels)?;
    check_length(name, values.len(), rows * channels, what)
}

fn channel_nanos<T: Scalar>(batch: &Ragged<T>, channels: usize) -> f64 {
    batch.num_terms() as f64 * (TERM + TERM_CHANNEL * channels as f64)
}

/// `S[h, c] = sum_j q[j, c] exp(+2 pi i h.x_j)`: `q` (N, C) to (H, C) complex numbers, both row-major.
///
/// # Errors
/// `q` that does not fit the batch.
pub fn channels_forward<T: Scalar>(
    batch: &Ragged<T>,
    q: &[T],
    channels: usize,
    threads: Option<usize>,
    out: &mut [[T; 2]],
) -> Result<()> {
    check_rows("q", q, batch.num_atoms(), channels, BY_ATOM)?;
    if channels == 1 {
        return forward(batch, &Weights::Atom(q), threads, out);
    }
    check_rows("out", out, batch.num_reflections(), channels, BY_REFLECTION)?;
    let work = |piece, out: &mut [[T; 2]]| {
        dispatch(ChannelForward {
            batch: *batch,
            q,
            channels,
            piece,
            out,
        });
    };
    let length = |piece: &Piece| piece.rows.len() * channels;
    share(
        batch.pieces(true, BLOCK),
        out,
        length,
        channel_nanos(batch, channels),
        threads,
        work,
    )
}

/// `y[j, c] = sum_h Re[conj(exp(+2 pi i h.x_j)) t[h, c]]`: `t` (H, C) complex to (N, C), the adjoint of
/// [`channels_forward`].
///
/// # Errors
/// `t` that does not fit the batch.
pub fn channels_adjoint<T: Scalar>(
    batch: &Ragged<T>,
    t: &[[T; 2]],
    channels: usize,
    threads: Option<usize>,
    out: &mut [T],
) -> Result<()> {
    check_rows("t", t, batch.num_reflections(), channels, BY_REFLECTION)?;
    if channels == 1 {
        return adjoint(batch, t, Keep::Atom, threads, out);
    }
    check_rows("out", out, batch.num_atoms(), channels, BY_ATOM)?;
    let work = |piece, out: &mut [T]| {
        dispatch(ChannelAdjoint {
            batch: *batch,
            t,
            channels,
            piece,
            out,
        });
    };
    let length = |piece: &Piece| piece.rows.len() * channels;
    share(
        batch.pieces(false, CHUNK),
        out,
        length,
        channel_nanos(batch, channels),
        threads,
        work,
    )
}

/// Gradient in the coordinates (N, 3) of `Re <t, channels_forward(q)>`, which is that of `<channels_adjoint(t), q>`.
///
/// # Errors
/// Arrays that do not fit the batch.
pub fn channels_position_gradient<T: Scalar>(
    batch: &Ragged<T>,
    q: &[T],
    t: &[[T; 2]],
    channels: usize,
    threads: Option<usize>,
    out: &mut [[T; 3]],
) -> Result<()> {
    check_rows("q", q, batch.num_atoms(), channels, BY_ATOM)?;
    check_rows("t", t, batch.num_reflections(), channels, BY_REFLECTION)?;
    if channels == 1 {
        return position_gradient(batch, &Weights::Atom(q), t, threads, out);
    }
    check_length("out", out.len(), batch.num_atoms(), "one for each atom")?;
    let work = |piece, out: &mut [[T; 3]]| {
        dispatch(ChannelPositionGradient {
            batch: *batch,
            q,
            t,
            channels,
            piece,
            out,
        });
    };
    let nanos = channel_nanos(batch, channels);
    share(
        batch.pieces(false, CHUNK),
        out,
        |piece| piece.rows.len(),
        nanos,
        threads,
        work,
    )
}

/// `y = adjoint(weight * forward(q))`: `q` (N, C), `weight` (H, C) real, to (N, C).
///
/// # Errors
/// Arrays that do not fit the batch.
pub fn channels_convolve<T: Scalar>(
    batch: &Ragged<T>,
    q: &[T],
    weight: &[T],
    channels: usize,
    threads: Option<usize>,
    out: &mut [T],
) -> Result<()> {
    check_rows("q", q, batch.num_atoms(), channels, BY_ATOM)?;
    check_rows("weight", weight, batch.num_reflections(), channels, BY_REFLECTION)?;
    check_rows("out", out, batch.num_atoms(), channels, BY_ATOM)?;
    let rows = |piece: &Piece| piece.part.atoms.len();
    fused(batch, q, channels, out, rows, threads, |out| Fused::Convolve {
        weight,
        out,
    })
}

/// `Re[conj(forward(q)) forward(p)]`: `q`, `p` (N, C) to (H, C) real; the gradient of [`channels_convolve`] in its weight.
///
/// # Errors
/// Arrays that do not fit the batch.
pub fn channels_correlate<T: Scalar>(
    batch: &Ragged<T>,
    q: &[T],
    p: &[T],
    channels: usize,
    threads: Option<usize>,
    out: &mut [T],
) -> Result<()> {
    check_rows("q", q, batch.num_atoms(), channels, BY_ATOM)?;
    check_rows("p", p, batch.num_atoms(), channels, BY_ATOM)?;
    check_rows("out", out, batch.num_reflections(), channels, BY_REFLECTION)?;
    let rows = |piece: &Piece| piece.part.reflections.len();
    fused(batch, q, channels, out, rows, threads, |out| Fused::Correlate {
        p,
        out,
    })
}

/// A task for each crystal, and for large ones one for each few channels.
fn fused<'a, T: Scalar>(
    batch: &Ragged<'a, T>,
    q: &'a [T],
    channels: usize,
    out: &'a mut [T],
    rows: impl Fn(&Piece) -> usize,
    threads: Option<usize>,
    work: impl Fn(Vec<&'a mut [T]>) -> Fused<'a, T>,
) -> Result<()> {
    const WORK: usize = 1 << 24;
    const STEP: usize = 64;
    let mut tasks = Vec::new();
    let mut rest = out;
    for part in batch.parts() {
        let terms = part.atoms.len() * part.reflections.len();
        let piece = Piece {
            rows: part.atoms.clone(),
            part,
        };
        let (own, others) = rest.split_at_mut(rows(&piece) * channels);
        rest = others;
        let width = if terms * channels > WORK { STEP } else { channels };
        let mut slices: Vec<Vec<&mut [T]>> = (0..channels.div_ceil(width)).map(|_| Vec::new()).collect();
        for row in own.chunks_exact_mut(channels) {
            for (slices, slice) in slices.iter_mut().zip(row.chunks_mut(width)) {
                slices.push(slice);
            }
        }
        for (number, slices) in slices.into_iter().enumerate() {
            tasks.push(FusedSums {
                batch: *batch,
                q,
                channels,
                piece: piece.clone(),
                first: number * width,
                work: work(slices),
            });
        }
    }
    let workers = parallel::workers(threads, 2.0 * channel_nanos(batch, channels))?;
    parallel::for_each(tasks, workers, dispatch)
}
