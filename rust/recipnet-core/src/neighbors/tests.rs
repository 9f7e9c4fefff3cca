//! Brute force over a generous box of images is the twin of every fast path.

use proptest::prelude::*;

use super::*;
use crate::batch::BatchView;
use crate::lattice::Lattice;
use crate::math::{Mat3, Vec3, dot, row_times};
use crate::order::Sorter;

type Row = (usize, usize, [i32; 3], Vec3, f64);

fn twin(cell: &Mat3, frac: &[Vec3], site: Option<&[i32]>, cutoff: f64, half: bool, self_images: bool) -> Vec<Row> {
    let spacings = Lattice::new(*cell).unwrap().plane_spacings();
    let mut out = Vec::new();
    for i in 0..frac.len() {
        let mut list = Vec::new();
        for j in 0..frac.len() {
            let apart = [0, 1, 2].map(|c| frac[j][c] - frac[i][c]);
            let range = [0, 1, 2].map(|c| {
                let reach = (cutoff / spacings[c]).ceil() + 1.0;
                ((-apart[c] - reach).floor() as i32)..=((-apart[c] + reach).ceil() as i32)
            });
            for n0 in range[0].clone() {
                for n1 in range[1].clone() {
                    for n2 in range[2].clone() {
                        let shift = [n0, n1, n2];
                        let vector = row_times([0, 1, 2].map(|c| apart[c] + f64::from(shift[c])), cell);
                        let distance = dot(vector, vector).sqrt();
                        let one_site = i == j || site.is_some_and(|site| site[i] == site[j]);
                        let itself = i == j && shift == [0; 3];
                        let listed = !itself
                            && distance <= cutoff + 1e-8
                            && !(one_site && distance <= 1e-8)
                            && (self_images || i != j)
                            && (!half || i < j || (i == j && shift > [0; 3]));
                        if listed {
                            list.push((i, j, shift, vector, distance));
                        }
                    }
                }
            }
        }
        let mut sorter = Sorter::default();
        let key = |p: usize| (list[p].1, list[p].2);
        let order = sorter.sort(list.len(), |p| list[p].4, |p, q| key(p).cmp(&key(q)));
        out.extend(order.iter().map(|&p| list[p as usize]));
    }
    out
}

fn rows(edges: &Edges<f64>, batch: &BatchView) -> Vec<Row> {
    let vectors = edges.vectors(batch, None).unwrap();
    (0..edges.len())
        .map(|e| {
            let (i, j) = edges.pair(e);
            (i, j, edges.shift[e], vectors[e], edges.distance[e])
        })
        .collect()
}

fn nearest_twin(cell: &Mat3, frac: &[Vec3], k: usize, tol: f64, mode: NearestMode) -> Vec<(usize, usize, [i32; 3])> {
    let mut cutoff = 2.0;
    let all = loop {
        let all = twin(cell, frac, None, cutoff, false, true);
        let enough = (0..frac.len()).all(|i| {
            let own: Vec<f64> = all.iter().filter(|e| e.0 == i).map(|e| e.4).collect();
            own.len() >= k && {
                let mut sorted = own.clone();
                sorted.sort_by(f64::total_cmp);
                sorted[k - 1] + tol <= cutoff
            }
        });
        if enough {
            break all;
        }
        cutoff *= 1.5;
    };
    let shell: Vec<f64> = (0..frac.len())
        .map(|i| {
            let mut own: Vec<f64> = all.iter().filter(|e| e.0 == i).map(|e| e.4).collect();
            own.sort_by(f64::total_cmp);
            own[k - 1] + tol
        })
        .collect();
    let mut out = Vec::new();
    for &(i, j, shift, _, distance) in &all {
        let (forth, back) = (distance <= shell[i], distance <= shell[j]);
        let copies = match mode {
            NearestMode::Directed => usize::from(forth),
            NearestMode::Union => usize::from(forth || back),
            NearestMode::Mutual => usize::from(forth && back),
            NearestMode::Paper => usize::from(forth) + usize::from(back),
            NearestMode::PaperCanonical => usize::from(forth || back) * if i == j { 2 } else { 1 },
        };
        out.extend(std::iter::repeat_n((i, j, shift), copies));
    }
    out.sort_unstable();
    out
}

fn cell_strategy() -> impl Strategy<Value = Mat3> {
    let lengths = prop::array::uniform3(1.2..7.0f64);
    let angles = prop::array::uniform3(20.0..160.0f64);
    let shear = prop::array::uniform3(-3i32..=3);
    (lengths, angles, shear, any::<bool>()).prop_filter_map("a cell", |(l, g, shear, left)| {
        let cell = Lattice::from_parameters(l[0], l[1], l[2], g[0], g[1], g[2]).ok()?;
        let m = shear.map(f64::from);
        let mut rows = [[1.0, m[0], m[1]], [0.0, 1.0, m[2]], [0.0, 0.0, 1.0]].map(|row| row_times(row, cell.rows()));
        if left {
            rows.swap(0, 1);
        }
        let cell = Lattice::new(rows).ok()?;
        (cell.volume() > 4.0 && cell.plane_spacings().iter().all(|&s| s > 0.35)).then_some(rows)
    })
}

fn frac_strategy() -> impl Strategy<Value = Vec<Vec3>> {
    let coordinate = prop_oneof![Just(0.0), Just(0.5), Just(-1.0 / 3.0), -3.0..3.0f64];
    prop::collection::vec(prop::array::uniform3(coordinate), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn radius_equals_brute_force(
        cell in cell_strategy(),
        frac in frac_strategy(),
        cutoff in 0.3..6.0f64,
        half in any::<bool>(),
        self_images in any::<bool>(),
        mixed in any::<bool>(),
    ) {
        let site: Vec<i32> = (0..frac.len() as i32).map(|i| i / 2).collect();
        let site = mixed.then_some(site.as_slice());
        let offsets = [0, frac.len() as i64];
        let cells = [cell];
        let batch = BatchView::new(&cells, None, &frac, &offsets, site).unwrap();
        let options = RadiusOptions { half, self_images, ..RadiusOptions::new(cutoff) };
        let edges = neighbors::<f64>(&batch, &options, Some(1)).unwrap();
        let expected = twin(&cell, &frac, site, cutoff, half, self_images);
        prop_assert_eq!(rows(&edges, &batch), expected);
    }

    #[test]
    fn nearest_equals_brute_force(
        cell in cell_strategy(),
        frac in frac_strategy(),
        k in 1usize..20,
        tol in prop::sample::select(vec![0.0, 1e-3, 0.5]),
        mode in prop::sample::select(vec![
            NearestMode::Directed,
            NearestMode::Union,
            NearestMode::Mutual,
            NearestMode::Paper,
            NearestMode::PaperCanonical,
        ]),
    ) {
        let offsets = [0, frac.len() as i64];
        let cells = [cell];
        let batch = BatchView::new(&cells, None, &frac, &offsets, None).unwrap();
        let options = NearestOptions { shell_tol: tol, mode, ..NearestOptions::new(k) };
        let edges = nearest_neighbors::<f64>(&batch, &options, Some(1)).unwrap();
        let mut found: Vec<_> = rows(&edges, &batch).iter().map(|row| (row.0, row.1, row.2)).collect();
        found.sort_unstable();
        prop_assert_eq!(found, nearest_twin(&cell, &frac, k, tol, mode));
    }
}

/// Numbers that look random and are the same everywhere.
fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[test]
fn memory_of_a_larger_crystal_changes_nothing() {
    let edges = |atoms: usize| {
        let mut random = noise(11);
        let frac: Vec<Vec3> = (0..atoms).map(|_| [0; 3].map(|_| random())).collect();
        let side = 2.6 * (atoms as f64).cbrt();
        let cells = [[[side, 0.0, 0.0], [0.0, side, 0.0], [0.0, 0.0, side]]];
        let offsets = [0, atoms as i64];
        let batch = BatchView::new(&cells, None, &frac, &offsets, None).unwrap();
        neighbors::<f64>(&batch, &RadiusOptions::new(4.0), Some(1)).unwrap()
    };
    let first = edges(600);
    assert!(first.len() > 5_000 && edges(1_700).len() > 15_000);
    assert_eq!(edges(600), first);
}

#[test]
fn undirected_lists_are_in_order() {
    // Shells that are split by less than a tie and by more: what an atom receives may be one tie with its own list.
    let mut random = noise(3);
    let cells = [[[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]]];
    for round in 0..40 {
        let frac: Vec<Vec3> = (0..8)
            .map(|atom| [4, 2, 1].map(|bit| if atom & bit == 0 { 0.0 } else { 0.5 } + 4e-10 * random()))
            .collect();
        let batch = BatchView::new(&cells, None, &frac, &[0, 8], None).unwrap();
        for mode in [
            NearestMode::Union,
            NearestMode::Mutual,
            NearestMode::Paper,
            NearestMode::PaperCanonical,
        ] {
            let options = NearestOptions {
                shell_tol: 0.0,
                mode,
                ..NearestOptions::new(1 + round % 8)
            };
            let edges = nearest_neighbors::<f64>(&batch, &options, Some(1)).unwrap();
            let found = rows(&edges, &batch);
            for own in found.chunk_by(|p, q| p.0 == q.0) {
                let mut sorter = Sorter::default();
                let key = |p: usize| (own[p].1, own[p].2);
                let order = sorter.sort(own.len(), |p| own[p].4, |p, q| key(p).cmp(&key(q)));
                let expected: Vec<_> = order.iter().map(|&p| key(p as usize)).collect();
                assert_eq!((0..own.len()).map(key).collect::<Vec<_>>(), expected, "{mode:?}");
            }
        }
    }
}

#[test]
fn bins_equal_brute_force() {
    // A sheared cell of more atoms than the small path takes; then the same atoms as a cluster in vacuum.
    for (scale, spread) in [(1.0, 1.0), (8.0, 0.03)] {
        let cell = [[11.0, 0.0, 0.0], [9.0, 12.0, 0.0], [-14.0, 5.0, 10.0]].map(|row: Vec3| row.map(|x| x * scale));
        let mut random = noise(7);
        let frac: Vec<Vec3> = (0..320)
            .map(|_| [0; 3].map(|_| spread * (4.0 * random() - 2.0)))
            .collect();
        let offsets = [0, 320];
        let cells = [cell];
        let batch = BatchView::new(&cells, None, &frac, &offsets, None).unwrap();
        for (half, self_images) in [(false, true), (true, false)] {
            let options = RadiusOptions {
                half,
                self_images,
                ..RadiusOptions::new(3.1)
            };
            let edges = neighbors::<f64>(&batch, &options, None).unwrap();
            assert!(edges.len() > 500);
            assert_eq!(rows(&edges, &batch), twin(&cell, &frac, None, 3.1, half, self_images));
        }
        let options = NearestOptions {
            mode: NearestMode::Mutual,
            ..NearestOptions::new(7)
        };
        let edges = nearest_neighbors::<f64>(&batch, &options, None).unwrap();
        let mut found: Vec<_> = rows(&edges, &batch).iter().map(|row| (row.0, row.1, row.2)).collect();
        found.sort_unstable();
        assert_eq!(found, nearest_twin(&cell, &frac, 7, 1e-3, NearestMode::Mutual));
    }
}

#[test]
fn bytes_depend_on_neither_threads_nor_batch() {
    let mut random = noise(3);
    let (mut cells, mut frac, mut offsets) = (Vec::new(), Vec::new(), vec![0i64]);
    for b in 0..300 {
        cells.push([
            [3.0 + random(), 0.0, 0.3],
            [random(), 4.0, 0.0],
            [1.0, -2.0 * random(), 5.0],
        ]);
        frac.extend((0..b % 9).map(|_| [0; 3].map(|_| 2.0 * random() - 0.5)));
        offsets.push(frac.len() as i64);
    }
    let batch = BatchView::new(&cells, None, &frac, &offsets, None).unwrap();
    let radius = |batch: &BatchView, threads| neighbors::<f32>(batch, &RadiusOptions::new(4.5), threads).unwrap();
    let nearest = |batch: &BatchView, threads| {
        nearest_neighbors::<f32>(
            batch,
            &NearestOptions {
                mode: NearestMode::Union,
                ..NearestOptions::new(6)
            },
            threads,
        )
        .unwrap()
    };
    let (one, several) = (radius(&batch, Some(1)), radius(&batch, None));
    assert_eq!(one, several);
    let vectors = one.vectors(&batch, Some(1)).unwrap();
    assert_eq!(vectors, one.vectors(&batch, None).unwrap());
    assert_eq!(nearest(&batch, Some(1)), nearest(&batch, None));
    for b in [1usize, 17, 255] {
        let atoms = offsets[b] as usize..offsets[b + 1] as usize;
        let alone_offsets = [0, atoms.len() as i64];
        let alone = BatchView::new(&cells[b..=b], None, &frac[atoms], &alone_offsets, None).unwrap();
        let edges = one.offsets[b] as usize..one.offsets[b + 1] as usize;
        let found = radius(&alone, None);
        assert_eq!(found.distance, one.distance[edges.clone()]);
        assert_eq!(found.vectors(&alone, None).unwrap(), vectors[edges]);
    }
}

#[test]
fn counting_first_gives_the_same_and_limits_hold() {
    let cell = [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]];
    let cells = [cell];
    let frac = [[0.0; 3], [0.4, 0.1, 0.2]];
    let batch = BatchView::new(&cells, None, &frac, &[0, 2], None).unwrap();
    let count = neighbors::<f64>(&batch, &RadiusOptions::new(6.0), None).unwrap().len() as u64;
    for half in [false, true] {
        let count = if half { count / 2 } else { count };
        let options = |max_edges| RadiusOptions {
            half,
            max_edges,
            ..RadiusOptions::new(6.0)
        };
        assert_eq!(
            neighbors::<f64>(&batch, &options(count), None).unwrap().len() as u64,
            count
        );
        let error = neighbors::<f64>(&batch, &options(count - 1), None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("max_edges"), "{error}");
    }
    // 10^15 edges: refused by the estimate, at once.
    let error = neighbors::<f64>(&batch, &RadiusOptions::new(1e5), None).unwrap_err();
    let crate::error::Error::Limit(error) = error else {
        panic!("{error}")
    };
    assert!(error.needed > 1e15 && error.crystal == Some(0));
    assert!(nearest_neighbors::<f64>(&batch, &NearestOptions::new(1 << 40), None).is_err());
    assert!(nearest_neighbors::<f64>(&batch, &NearestOptions::new(0), None).is_err());
    for cutoff in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(neighbors::<f64>(&batch, &RadiusOptions::new(cutoff), None).is_err());
    }
}

#[test]
fn far_coordinates_keep_their_shifts() {
    let cells = [[[3.0, 0.0, 0.0], [0.5, 3.5, 0.0], [0.0, 1.0, 4.0]]];
    let near = [[0.25, 0.5, 0.0], [0.75, 0.0, 0.5]];
    let far = [[0.25 + 1000.0, 0.5 - 3.0, 0.0], [0.75, 262_144.0, -8191.5]];
    let batch = |frac| BatchView::new(&cells, None, frac, &[0, 2], None).unwrap();
    let list = |frac| neighbors::<f64>(&batch(frac), &RadiusOptions::new(5.0), None).unwrap();
    let (a, b) = (list(&near), list(&far));
    let vectors = b.vectors(&batch(&far), None).unwrap();
    assert_eq!(a.distance, b.distance);
    for e in 0..b.len() {
        let (i, j) = b.pair(e);
        let delta = [0, 1, 2].map(|c| far[j][c] - far[i][c] + f64::from(b.shift[e][c]));
        assert_eq!(row_times(delta, &cells[0]), vectors[e]);
    }
}

#[test]
fn rows_at_one_point() {
    let cells = [[[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]]];
    // The second row lies on an image of the first.
    let frac = [[0.1, 0.2, 0.3], [1.1, 0.2, -0.7]];
    for (site, coincident) in [(None, 2), (Some(&[4, 4][..]), 0), (Some(&[4, 5][..]), 2)] {
        let batch = BatchView::new(&cells, None, &frac, &[0, 2], site).unwrap();
        let edges = neighbors::<f64>(&batch, &RadiusOptions::new(3.0), None).unwrap();
        // Six images of itself and six of the other; those of one site are there at other distances.
        assert_eq!(edges.len(), 24 + coincident);
        assert_eq!(edges.distance.iter().filter(|&&d| d == 0.0).count(), coincident);
        let nearest = nearest_neighbors::<f64>(&batch, &NearestOptions::new(1), None).unwrap();
        assert_eq!(nearest.len(), if coincident == 2 { 2 } else { 24 });
    }
}

#[test]
fn nothing_in_nothing_out() {
    let none = BatchView::new(&[], None, &[], &[0], None).unwrap();
    let empty = BatchView::new(
        &[[[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]]],
        None,
        &[],
        &[0, 0],
        None,
    )
    .unwrap();
    for batch in [none, empty] {
        let edges = neighbors::<f32>(&batch, &RadiusOptions::new(5.0), None).unwrap();
        assert_eq!(
            (edges.len(), edges.offsets.len(), &edges.atom_offsets[..]),
            (0, batch.len() + 1, &[0][..])
        );
        for mode in [NearestMode::Directed, NearestMode::Paper] {
            let options = NearestOptions {
                mode,
                ..NearestOptions::new(4)
            };
            assert_eq!(
                nearest_neighbors::<f32>(&batch, &options, None).unwrap().offsets,
                edges.offsets
            );
        }
    }
}

#[test]
fn vectors_of_edges_that_do_not_fit_are_refused() {
    let cells = [[[3.0, 0.0, 0.0], [0.5, 3.5, 0.0], [0.0, 1.0, 4.0]]];
    let frac = [[0.25, 0.5, 0.0], [0.75, 0.0, 0.5]];
    let batch = BatchView::new(&cells, None, &frac, &[0, 2], None).unwrap();
    let refusal = |neighbor: &[i64], shift: &[[i32; 3]], atom_offsets: &[i64], rows: usize| {
        let view = EdgesView {
            neighbor,
            shift,
            atom_offsets,
        };
        let mut out = vec![[0.0f64; 3]; rows];
        edge_vectors(&batch, &view, &mut out, None).unwrap_err().to_string()
    };
    let (two, shifts) = ([1, 0], [[0; 3]; 2]);
    assert!(refusal(&two, &shifts[..1], &[0, 1, 2], 2).contains("shift"));
    assert!(refusal(&two, &shifts, &[0, 1, 2], 1).contains("vector"));
    assert!(refusal(&two, &shifts, &[0, 1, 3], 2).contains("atom_offsets"));
    assert!(refusal(&two, &shifts, &[0, 2], 2).contains("atom_offsets"));
    assert!(refusal(&[1, 2], &shifts, &[0, 1, 2], 2).contains("edge 1"));
    assert!(refusal(&[-1, 0], &shifts, &[0, 1, 2], 2).contains("edge 0"));
}
