//! `recipnet._core`: conversion, error mapping and GIL release. No algorithm lives here.

mod arrays;
mod cif;
mod cuda;
mod edges;
mod elements;
mod error;
mod featurize;
mod fourier;
mod geometry;
mod memory;
mod openmp;
mod scattering;
mod structure_factor;
mod symmetry;
mod texts;
mod write;

use pyo3::prelude::*;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(cuda::cuda_sources, module)?)?;
    module.add_function(wrap_pyfunction!(elements::element_symbols, module)?)?;
    module.add_function(wrap_pyfunction!(elements::element_masses, module)?)?;
    module.add_class::<cif::Declarations>()?;
    module.add_class::<edges::Coordinates>()?;
    module.add_function(wrap_pyfunction!(cif::read_cifs, module)?)?;
    module.add_function(wrap_pyfunction!(cif::read_cif_document, module)?)?;
    module.add_function(wrap_pyfunction!(texts::read_texts, module)?)?;
    module.add_function(wrap_pyfunction!(write::write_texts, module)?)?;
    module.add_function(wrap_pyfunction!(openmp::use_openmp_of, module)?)?;
    featurize::register(module)?;
    fourier::register(module)?;
    geometry::register(module)?;
    memory::register(module)?;
    scattering::register(module)?;
    structure_factor::register(module)?;
    symmetry::register(module)
}
