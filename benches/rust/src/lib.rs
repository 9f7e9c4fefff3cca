//! What criterion times and callgrind counts: the paths of recipnet-core on small crystals, one thread, one call.

use std::hint::black_box;

use recipnet_core::batch::CrystalBatch;
use recipnet_core::cif::{CifBatch, CifOptions, Sources, read_many};
use recipnet_core::crystal::Crystal;
use recipnet_core::error::Error;
use recipnet_core::form_factor::Radiation;
use recipnet_core::lattice::Lattice;
use recipnet_core::math::{norm, row_times};
use recipnet_core::neighbors::{NearestOptions, RadiusOptions, nearest_neighbors, neighbors};
use recipnet_core::powder::{PowderOptions, lines};
use recipnet_core::reciprocal::{Indices, OperationsView, ReflectionOptions, Unique, details, indices};
use recipnet_core::structure_factor::{Resolved, Scatterers, resolve, structure_factors};
use recipnet_core::symmetry::Operations;

/// Samples of the Python package, 2 to 12 atoms in the cell, from P 3_2 2 1 to F m -3 m.
const SAMPLES: [&str; 6] = [
    include_str!("../../../python/recipnet/samples/quartz.cif"),
    include_str!("../../../python/recipnet/samples/rutile.cif"),
    include_str!("../../../python/recipnet/samples/perovskite.cif"),
    include_str!("../../../python/recipnet/samples/fluorite.cif"),
    include_str!("../../../python/recipnet/samples/graphite.cif"),
    include_str!("../../../python/recipnet/samples/wurtzite.cif"),
];

/// Crystals, and everything that the paths take.
pub struct Setup {
    operations: Vec<(Vec<[[i8; 3]; 3]>, Vec<[i16; 3]>, i32)>,
    batch: CrystalBatch,
    lattices: Vec<Lattice>,
    atoms: Resolved,
    amplitudes: Vec<f64>,
    reflections: Indices,
}

/// The name of a path, and what does all crystals in one call and says how much it made.
pub type Path = (&'static str, fn(&Setup) -> Result<usize, Error>);

/// All paths.
pub const PATHS: [Path; 9] = [
    ("CIF texts, symmetry expanded", |_| Ok(read()?.numbers.len())),
    ("neighbours within 5 angstrom", |s| s.radius(5.0)),
    ("neighbours within 8 angstrom", |s| s.radius(8.0)),
    ("16 nearest with ties", Setup::nearest),
    ("reflections, 0.8 angstrom, half sphere, scan order", Setup::scan),
    ("reflections, 0.8 angstrom, half sphere, all arrays", Setup::detailed),
    ("reflections, 0.8 angstrom, unique, scan order", Setup::unique),
    ("F(hkl) with form factors, 0.8 angstrom", Setup::factors),
    ("powder lines, Cu K alpha, 0 to 90 degrees", Setup::powder),
];

fn read() -> Result<CifBatch, Error> {
    let texts = SAMPLES.map(str::as_bytes);
    read_many(Sources::Texts(black_box(&texts)), &CifOptions::default(), Some(1))
}

impl Setup {
    /// Read the crystals and make everything ready.
    ///
    /// # Errors
    /// None, unless a path is broken.
    pub fn new() -> Result<Self, Error> {
        let read = read()?;
        let crystals = (0..read.len())
            .map(|b| {
                let rows = read.atoms(b);
                let cell = Lattice::new(read.lattices[b])?;
                Crystal::new(cell, read.numbers[rows.clone()].to_vec(), read.frac[rows].to_vec())
            })
            .collect::<Result<Vec<_>, _>>()?;
        let batch = CrystalBatch::from_crystals(&crystals);
        let operations = read.symmetry.iter().map(|declared| {
            let own = declared.operations.clone().unwrap_or_else(Operations::identity);
            let (rotations, translations) = own.as_slice().iter().map(|o| (o.rotation, o.translation)).unzip();
            (rotations, translations, i32::from(own.denominator()))
        });
        let lattices = batch.lattices.clone();
        let mut reflections = indices(&lattices, &[], &ReflectionOptions::new(0.8), Some(1))?;
        for (lattice, range) in lattices.iter().zip(reflections.offsets.windows(2)) {
            // By d, as `rn.reflections` gives them, so that shells share their form factors.
            let own = &mut reflections.hkl[range[0] as usize..range[1] as usize];
            let inverse = |h: &[i32; 3]| norm(row_times(h.map(f64::from), lattice.reciprocal()));
            own.sort_by(|a, b| inverse(a).total_cmp(&inverse(b)));
        }
        Ok(Self {
            operations: operations.collect(),
            lattices,
            atoms: resolve(Radiation::Xray, &batch.numbers, None, None, &[])?,
            amplitudes: vec![1.0; batch.numbers.len()],
            reflections,
            batch,
        })
    }

    /// Crystals in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lattices.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lattices.is_empty()
    }

    fn views(&self) -> Vec<Option<OperationsView<'_>>> {
        let views = self.operations.iter().map(|(rotations, translations, denominator)| {
            Some(OperationsView {
                rotations,
                translations,
                denominator: *denominator,
            })
        });
        views.collect()
    }

    fn radius(&self, cutoff: f64) -> Result<usize, Error> {
        let edges = neighbors::<f64>(&self.batch.view(), &RadiusOptions::new(cutoff), Some(1))?;
        Ok(black_box(edges).len())
    }

    fn nearest(&self) -> Result<usize, Error> {
        let edges = nearest_neighbors::<f64>(&self.batch.view(), &NearestOptions::new(16), Some(1))?;
        Ok(black_box(edges).len())
    }

    fn scan(&self) -> Result<usize, Error> {
        let found = indices(&self.lattices, &[], &ReflectionOptions::new(0.8), Some(1))?;
        Ok(black_box(found).hkl.len())
    }

    fn detailed(&self) -> Result<usize, Error> {
        let Indices { hkl, offsets } = indices(&self.lattices, &[], &ReflectionOptions::new(0.8), Some(1))?;
        let found = details::<f64>(&self.lattices, &[], &hkl, &offsets, Unique::Friedel, Some(1))?;
        Ok(black_box(found).d_spacing.len())
    }

    fn unique(&self) -> Result<usize, Error> {
        let options = ReflectionOptions {
            unique: Unique::Laue,
            drop_absent: true,
            ..ReflectionOptions::new(0.8)
        };
        let found = indices(&self.lattices, &self.views(), &options, Some(1))?;
        Ok(black_box(found).hkl.len())
    }

    fn factors(&self) -> Result<usize, Error> {
        let found = &self.reflections;
        let mut factors = vec![[0.0; 2]; found.hkl.len()];
        structure_factors(
            &self.scatterers(),
            &[],
            (&found.hkl, &found.offsets),
            1e-13,
            Some(1),
            &mut factors,
        )?;
        Ok(black_box(factors).len())
    }

    fn powder(&self) -> Result<usize, Error> {
        let options = PowderOptions {
            wavelength: 1.54184,
            two_theta: (0.0, 90.0),
            polarised: true,
            max_reflections: 1_000_000,
        };
        let found = lines(&self.scatterers(), &[], &options, Some(1))?;
        Ok(black_box(found).intensity.len())
    }

    fn scatterers(&self) -> Scatterers<'_> {
        Scatterers {
            lattices: &self.lattices,
            frac: &self.batch.frac_coords,
            offsets: &self.batch.offsets,
            amplitudes: &self.amplitudes,
            kinds: &self.atoms.kinds,
            species: &self.atoms.species,
            u_iso: None,
            u_aniso: None,
            max_stol: Radiation::Xray.max_stol(),
        }
    }
}
