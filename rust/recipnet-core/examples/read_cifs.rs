//! Read CIF files and say what is in them:
//! `cargo run --release --example read_cifs -- FILE …`

use std::path::{Path, PathBuf};

use recipnet_core::cif::{CifOptions, Sources, read_many};
use recipnet_core::elements::symbol;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let borrowed: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let batch = read_many(Sources::Paths(&borrowed), &CifOptions::default(), None)?;
    for (crystal, &source) in batch.source_index.iter().enumerate() {
        let rows = batch.atoms(crystal);
        let mut elements: Vec<&str> = batch.numbers[rows.clone()]
            .iter()
            .filter_map(|&number| symbol(number))
            .collect();
        elements.dedup();
        println!(
            "{}: {} atoms: {}",
            paths[source as usize].display(),
            rows.len(),
            elements.join(" ")
        );
    }
    for (crystal, warnings) in &batch.warnings {
        for warning in warnings {
            println!("crystal {crystal}: [{}] {}", warning.code, warning.message);
        }
    }
    for (_, error) in &batch.failures {
        eprintln!("{error}");
    }
    Ok(())
}
