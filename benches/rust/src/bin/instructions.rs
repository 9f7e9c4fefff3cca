//! Run one path so often, for a program that counts instructions: `instructions PATH TIMES`; without arguments the
//! paths and the number of crystals of each call.

use recipnet_bench::{PATHS, Setup};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setup = Setup::new()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, times] = arguments.as_slice() else {
        for (name, _) in PATHS {
            println!("{}\t{name}", setup.len());
        }
        return Ok(());
    };
    let (_, path) = PATHS.iter().find(|(own, _)| own == name).ok_or("no such path")?;
    for _ in 0..times.parse::<usize>()? {
        path(&setup)?;
    }
    Ok(())
}
