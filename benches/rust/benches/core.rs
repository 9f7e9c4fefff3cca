//! Every path under criterion: `cargo bench --manifest-path benches/rust/Cargo.toml [-- FILTER]`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use recipnet_bench::{PATHS, Setup};

fn paths(criterion: &mut Criterion) {
    let setup = Setup::new().expect("the samples are read");
    for (name, path) in PATHS {
        path(&setup).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let mut group = criterion.benchmark_group("six crystals");
    group.throughput(Throughput::Elements(setup.len() as u64));
    for (name, path) in PATHS {
        group.bench_function(name, |bencher| bencher.iter(|| path(&setup)));
    }
    group.finish();
}

criterion_group!(benches, paths);
criterion_main!(benches);
