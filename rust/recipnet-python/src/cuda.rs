//! The CUDA sources of `cuda/`, embedded so that a wheel needs no data files to compile its kernels.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// File name and text of every kernel source; a test holds this list against the folder.
const SOURCES: &[(&str, &str)] = &[
    (
        "channels.cu",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../cuda/channels.cu")),
    ),
    (
        "channels_matrix.cu",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../cuda/channels_matrix.cu")),
    ),
    (
        "matrix.cuh",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../cuda/matrix.cuh")),
    ),
    (
        "structure_factor.cu",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../cuda/structure_factor.cu")),
    ),
    (
        "table.cuh",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../cuda/table.cuh")),
    ),
    (
        "turns.cuh",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../cuda/turns.cuh")),
    ),
];

/// CUDA sources by file name.
#[pyfunction]
pub fn cuda_sources(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let sources = PyDict::new(py);
    for (name, text) in SOURCES {
        sources.set_item(name, text)?;
    }
    Ok(sources)
}
