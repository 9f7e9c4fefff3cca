//! Basis values at the atoms of many crystals.

use super::basis::FourierBasis;
use super::evaluate::{Kind, Lane};
use super::truncation::Truncation;
use crate::batch::BatchView;
use crate::error::{ArgumentError, LimitError, Result};
use crate::math::Vec3;
use crate::parallel;
use crate::symmetry::{Operations, equivalent_atoms};

/// Largest number of values in all.
const MAX_VALUES: u64 = 1 << 32;

/// What the features of a batch are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureOptions {
    /// Functions with a spacing of at least this, angstrom.
    pub d_min: f64,
    /// Complex or real functions.
    pub kind: Kind,
    /// How far an image of an atom may lie from an atom, angstrom.
    pub tolerance: f64,
    /// More plane waves for one crystal are refused.
    pub max_modes: u64,
}

/// The group of one crystal: its operations refer to `origin`.
#[derive(Debug, Clone, PartialEq)]
pub struct CrystalGroup {
    /// Operations `x' = W x + w` on coordinates from the origin.
    pub operations: Operations,
    /// Where the origin lies, in fractional coordinates.
    pub origin: Vec3,
}

impl CrystalGroup {
    /// No symmetry but the lattice's.
    #[must_use]
    pub fn p1() -> Self {
        Self {
            operations: Operations::identity(),
            origin: [0.0; 3],
        }
    }
}

/// Ragged values: the block of crystal b is (atoms of b, functions of b) numbers or pairs of numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FourierFeatures<T> {
    /// All values.
    pub values: Vec<T>,
    /// Block of crystal b in values (not numbers): `value_offsets[b]..value_offsets[b + 1]`.
    pub value_offsets: Vec<i64>,
    /// Functions of crystal b: `function_offsets[b]..function_offsets[b + 1]`.
    pub function_offsets: Vec<i64>,
    /// 1/d of each function, 1/angstrom.
    pub norm: Vec<T>,
    /// Plane waves of each function.
    pub size: Vec<i32>,
    /// Whether each function's orbit holds -h with h.
    pub centric: Vec<bool>,
    /// For each atom row of the batch the first row that the group brings to its place.
    pub equivalent_atoms: Vec<i64>,
}

/// Values of each crystal's own basis at its own atoms.
///
/// `kinds` (N) tells rows of different species apart; `groups` (B) are exact operations of the given cells.
///
/// # Errors
/// Everything that [`FourierBasis::new`] refuses, naming the crystal; atoms that the operations do not map onto
/// themselves; more than 2^32 values.
pub fn fourier_features<T: Lane>(
    batch: &BatchView,
    kinds: &[u32],
    groups: &[CrystalGroup],
    options: &FeatureOptions,
    threads: Option<usize>,
) -> Result<FourierFeatures<T>> {
    if groups.len() != batch.len() || kinds.len() != batch.num_atoms() {
        return Err(ArgumentError {
            name: "groups",
            value: format!("{} groups, {} kinds", groups.len(), kinds.len()),
            message: format!(
                "{} crystals with {} atom rows need one of each",
                batch.len(),
                batch.num_atoms()
            ),
        }
        .into());
    }
    let workers = parallel::workers(threads, 1e5 * batch.len() as f64)?;
    let built = parallel::try_map(batch.len(), workers, |b| {
        let lattice = batch.lattices()[b];
        let truncation = Truncation::Spacing {
            lattice,
            d_min: options.d_min,
        };
        let (rows, group) = (batch.atoms(b), &groups[b]);
        let make = || -> Result<(FourierBasis, Vec<Vec3>, Vec<usize>)> {
            let basis = FourierBasis::new(&group.operations, truncation, options.max_modes)?;
            let points: Vec<Vec3> = batch.frac_coords()[rows.clone()]
                .iter()
                .map(|x| [0, 1, 2].map(|i| x[i] - group.origin[i]))
                .collect();
            let atoms = equivalent_atoms(
                &lattice,
                &kinds[rows.clone()],
                &points,
                &group.operations,
                options.tolerance,
            )?;
            Ok((basis, points, atoms))
        };
        make().map_err(|error| error.in_crystal(b))
    })?;
    let mut out = FourierFeatures {
        value_offsets: vec![0],
        function_offsets: vec![0],
        ..FourierFeatures::default()
    };
    let (mut values, mut functions) = (0, 0);
    for (b, (basis, points, atoms)) in built.iter().enumerate() {
        values += (points.len() * basis.num_functions()) as i64;
        functions += basis.num_functions() as i64;
        out.value_offsets.push(values);
        out.function_offsets.push(functions);
        out.norm.extend(basis.norm().iter().map(|&x| T::from_f64(x)));
        out.size
            .extend((0..basis.num_functions()).map(|k| basis.size(k) as i32));
        out.centric.extend_from_slice(basis.centric());
        let start = batch.offsets()[b];
        out.equivalent_atoms.extend(atoms.iter().map(|&row| start + row as i64));
    }
    let width = options.kind.width();
    if values as u64 > MAX_VALUES {
        return Err(LimitError {
            message: format!(
                "{values} values in all, at most {MAX_VALUES} are made: take a larger d_min or a smaller batch"
            ),
            name: "values",
            limit: MAX_VALUES,
            needed: values as f64,
            crystal: None,
        }
        .into());
    }
    out.values = vec![T::ZERO; values as usize * width];
    let mut rest = out.values.as_mut_slice();
    let mut tasks = Vec::with_capacity(built.len());
    for (basis, points, _) in &built {
        let (block, after) = rest.split_at_mut(points.len() * basis.num_functions() * width);
        tasks.push((basis, points, block));
        rest = after;
    }
    // One large crystal is shared out by its atoms, many crystals among the threads.
    let inner = if built.len() == 1 { threads } else { Some(1) };
    let failed = std::sync::Mutex::new(None);
    parallel::for_each(tasks, workers, |(basis, points, block)| {
        if let Err(error) = basis.evaluate_into(points, options.kind, inner, block) {
            *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
        }
    })?;
    match failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crystal::Crystal;
    use crate::lattice::Lattice;
    use crate::symmetry::settings;

    fn options(kind: Kind) -> FeatureOptions {
        FeatureOptions {
            d_min: 1.2,
            kind,
            tolerance: 0.01,
            max_modes: 100_000,
        }
    }

    #[test]
    fn a_batch_is_its_crystals_one_by_one() {
        let cubic = Lattice::from_parameters(5.64, 5.64, 5.64, 90.0, 90.0, 90.0).unwrap();
        let at = |places: &[Vec3]| -> Vec<Vec3> { places.to_vec() };
        let centres = [[0.0; 3], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]];
        let mut places = at(&centres);
        places.extend(centres.map(|x| [x[0] + 0.5, x[1], x[2]]));
        let salt = Crystal::new(cubic, vec![11, 11, 11, 11, 17, 17, 17, 17], places).unwrap();
        let empty = Crystal::new(cubic, vec![], vec![]).unwrap();
        let low = Lattice::from_parameters(4.0, 5.0, 6.0, 80.0, 95.0, 105.0).unwrap();
        let low = Crystal::new(low, vec![6, 7], at(&[[0.1, 0.2, 0.3], [-0.4, 2.5, 0.6]])).unwrap();
        let fm3m = CrystalGroup {
            operations: settings()[522].operations().clone(),
            origin: [0.0; 3],
        };
        let crystals = [&salt, &empty, &low];
        let groups = [fm3m, CrystalGroup::p1(), CrystalGroup::p1()];
        let batch = crate::batch::CrystalBatch::from_crystals(crystals);
        let kinds: Vec<u32> = crystals
            .iter()
            .flat_map(|c| c.numbers.iter().map(|&z| u32::from(z)))
            .collect();
        for kind in [Kind::Real, Kind::Complex] {
            let all = fourier_features::<f64>(&batch.view(), &kinds, &groups, &options(kind), Some(2)).unwrap();
            let single = fourier_features::<f64>(&batch.view(), &kinds, &groups, &options(kind), Some(1)).unwrap();
            assert_eq!(all, single);
            assert_eq!(all.equivalent_atoms, [0, 0, 0, 0, 4, 4, 4, 4, 8, 9]);
            assert_eq!(all.value_offsets[1], all.value_offsets[2]);
            for (b, crystal) in crystals.iter().enumerate() {
                let truncation = Truncation::Spacing {
                    lattice: crystal.lattice,
                    d_min: 1.2,
                };
                let basis = FourierBasis::new(&groups[b].operations, truncation, 100_000).unwrap();
                let values = basis.evaluate::<f64>(&crystal.frac_coords, kind, None).unwrap();
                let block =
                    all.value_offsets[b] as usize * kind.width()..all.value_offsets[b + 1] as usize * kind.width();
                assert_eq!(all.values[block], values);
            }
        }
        let mut bad = groups.clone();
        bad[2].operations = settings()[1].operations().clone();
        let error = fourier_features::<f64>(&batch.view(), &kinds, &bad, &options(Kind::Real), None).unwrap_err();
        assert!(error.to_string().contains("crystal 2"), "{error}");
    }

    #[test]
    fn an_origin_moves_the_coordinates() {
        let lattice = Lattice::from_parameters(4.0, 5.0, 6.0, 80.0, 95.0, 105.0).unwrap();
        let origin = [0.123, 0.456, 0.789];
        let crystal = Crystal::new(
            lattice,
            vec![6, 6],
            vec![
                [0, 1, 2].map(|i| origin[i] + 0.1 * (i + 1) as f64),
                [0, 1, 2].map(|i| origin[i] - 0.1 * (i + 1) as f64),
            ],
        )
        .unwrap();
        let group = CrystalGroup {
            operations: settings()[1].operations().clone(),
            origin,
        };
        let view = BatchView::of_one(&crystal);
        let found = fourier_features::<f64>(&view, &[0, 0], &[group], &options(Kind::Real), None).unwrap();
        let n = found.norm.len();
        assert_eq!(found.equivalent_atoms, [0, 0]);
        for k in 0..n {
            assert!((found.values[k] - found.values[n + k]).abs() < 1e-12);
        }
    }
}
