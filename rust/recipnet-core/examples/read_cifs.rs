//! Read CIF files and say what is in them:
//! `cargo run --release --example read_cifs -- FILE …`

use std::path::{Path, PathBuf};

use recipnet_core::cif::{CifOptions, Sources, read_many};
use recipnet_core::elements::symbol;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let borrowed: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    for (path, result) in paths
        .iter()
        .zip(read_many(Sources::Paths(&borrowed), &CifOptions::default(), None)?)
    {
        match result {
            Ok(crystal) => {
                let mut elements: Vec<&str> = crystal.numbers.iter().filter_map(|&number| symbol(number)).collect();
                elements.dedup();
                println!(
                    "{}: {} atoms: {}",
                    path.display(),
                    crystal.numbers.len(),
                    elements.join(" ")
                );
                for warning in &crystal.warnings {
                    println!("  [{}] {}", warning.code, warning.message);
                }
            }
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(())
}
