//! Whole files: what comes out of the fixtures, where faults are found, limits, and many at once.

use recipnet_core::cif::{CifCrystal, CifOptions, Sources, UnknownElement, read_crystal, read_many};
use recipnet_core::error::{Error, ReadError};

const FILES: [(&str, &[u8]); 3] = [
    ("rutile", include_bytes!("data/rutile.cif")),
    ("acetate", include_bytes!("data/acetate.cif")),
    ("mixed", include_bytes!("data/mixed_crlf.cif")),
];

fn lenient() -> CifOptions {
    CifOptions::default()
}

fn strict() -> CifOptions {
    CifOptions {
        strict: true,
        ..CifOptions::default()
    }
}

fn read(bytes: &[u8]) -> CifCrystal {
    read_crystal(bytes, &lenient()).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(bytes: &[u8], options: &CifOptions) -> Box<ReadError> {
    match read_crystal(bytes, options) {
        Err(Error::Read(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn codes(crystal: &CifCrystal) -> Vec<&str> {
    crystal.warnings.iter().map(|warning| warning.code).collect()
}

#[test]
fn rutile() {
    let crystal = read_crystal(FILES[0].1, &strict()).unwrap();
    assert_eq!(crystal.numbers, [22, 22, 8, 8, 8, 8]);
    assert_eq!(crystal.frac[..2], [[0.0; 3], [0.5; 3]]);
    // Exactly on the diagonal, in the order of the operations.
    assert_eq!(crystal.frac[2], [0.3049, 0.3049, 0.0]);
    let [x, y, z] = crystal.frac[3];
    assert_eq!(x.to_bits(), y.to_bits());
    assert_eq!((x, z), (1.0 - 0.3049, 0.0));
    assert_eq!(crystal.warnings, []);
    assert_eq!(
        (crystal.symmetry.number, crystal.symmetry.hm_symbol.as_deref()),
        (Some(136), Some("P 42/m n m"))
    );
    assert_eq!(crystal.symmetry.operations.as_ref().unwrap().len(), 16);
    assert_eq!(
        (crystal.site, crystal.charges, crystal.isotopes, crystal.u_iso),
        (None, None, None, None)
    );
}

#[test]
fn acetate() {
    let crystal = read(FILES[1].1);
    assert_eq!(crystal.block, "acetate");
    assert_eq!(crystal.numbers.len(), 20);
    assert_eq!(
        codes(&crystal),
        ["W-OCCUPANCY", "W-OCCUPANCY", "W-NOT-PLACED", "W-HYDROGENS", "W-FORMULA"]
    );
    let charges = crystal.charges.unwrap();
    assert_eq!((charges[0], charges[4]), (1.0, 0.0));
    let (u_iso, u_aniso) = (crystal.u_iso.unwrap(), crystal.u_aniso.unwrap());
    assert_eq!(u_iso[0], 0.021);
    assert!(u_iso[16].is_nan() && u_aniso[8][0].is_nan());
    assert_eq!(u_aniso[0], [0.021, 0.018, 0.024, -0.002, 0.007, 0.001]);
    // A twofold axis along b turns the sign of the 23 and 12 components, whatever beta is.
    for (found, expected) in u_aniso[1].iter().zip([0.021, 0.018, 0.024, 0.002, 0.007, -0.001]) {
        assert!((found - expected).abs() < 1e-15);
    }
    let warning = &crystal.warnings[2];
    assert_eq!(
        (warning.line, warning.column, warning.tag.as_deref()),
        (Some(37), Some(1), Some("_atom_site_fract_x"))
    );
}

#[test]
fn mixed_sites_special_positions_and_isotopes() {
    let crystal = read(FILES[2].1);
    assert_eq!(crystal.numbers, [12, 26, 1, 8, 8, 8]);
    assert_eq!(crystal.site.unwrap(), [0, 0, 1, 2, 3, 4]);
    assert_eq!(crystal.isotopes.unwrap(), [0, 0, 2, 0, 0, 0]);
    assert_eq!(crystal.frac[0], [1.0 / 3.0, 2.0 / 3.0, 0.0]);
    assert_eq!(crystal.frac[2], [2.0 / 3.0, 1.0 / 3.0, 0.25]);
    assert_eq!(crystal.charges.unwrap()[1], 2.0);
    assert_eq!(crystal.labels.get(1), "M1b");
}

#[test]
fn tables_stand_in_for_operations() {
    let text = String::from_utf8(FILES[0].1.to_vec()).unwrap();
    let start = text.find("loop_").unwrap();
    let end = start + 5 + text[start + 5..].find("loop_").unwrap();
    let bare = format!("{}{}", &text[..start], &text[end..]);
    let reference = read(FILES[0].1);
    let found = read(bare.as_bytes());
    assert_eq!(found.numbers, reference.numbers);
    assert!(
        found
            .symmetry
            .operations
            .as_ref()
            .unwrap()
            .same_set(reference.symmetry.operations.as_ref().unwrap())
    );

    let with = |from: &str, to: &str| bare.replace(from, to);
    for unknown in [
        with("'P 42/m n m'", "'P 99'").replace("136", "?"),
        with("'P 42/m n m'", "?").replace("136", "0"),
        with(
            "_space_group_name_H-M_alt 'P 42/m n m'",
            "_space_group_name_Hall 'A 4n'",
        )
        .replace("136", "?"),
    ] {
        assert_eq!(refused(unknown.as_bytes(), &lenient()).code, "E-SYMMETRY", "{unknown}");
    }
    // P 1 beside another declaration is a contradiction, a symbol that the cell contradicts is one too.
    assert_eq!(
        refused(with("'P 42/m n m'", "'P 1'").as_bytes(), &lenient()).code,
        "E-SYMMETRY"
    );
    assert_eq!(
        refused(with("'P 42/m n m'", "'P m -3 m'").as_bytes(), &lenient()).code,
        "E-SYMMETRY"
    );
    // Nothing declared at all: P 1 with a warning, refused in strict mode.
    let nothing = with("_space_group_name_H-M_alt 'P 42/m n m'", "").replace("_space_group_IT_number 136", "");
    let guess = read(nothing.as_bytes());
    assert_eq!(
        (
            guess.numbers.len(),
            guess.symmetry.operations.as_ref(),
            codes(&guess)[0]
        ),
        (2, None, "W-SYMMETRY")
    );
    assert_eq!(refused(nothing.as_bytes(), &strict()).code, "E-SYMMETRY");
}

#[test]
fn order_of_columns_case_and_line_ends_do_not_matter() {
    let reference = read(FILES[0].1);
    let text = String::from_utf8(FILES[0].1.to_vec()).unwrap();
    let mut upper = String::new();
    for line in text.lines() {
        let tag = line.starts_with('_') || line == "loop_";
        let (word, rest) = line.split_at(if tag { line.find(' ').unwrap_or(line.len()) } else { 0 });
        upper.push_str(&word.to_uppercase());
        upper.push_str(rest);
        upper.push('\n');
    }
    let mut bom = b"\xef\xbb\xbf".to_vec();
    bom.extend_from_slice(FILES[0].1);
    for variant in [
        upper.into_bytes(),
        text.replace('\n', "\r\n").into_bytes(),
        text.replace('\n', "\r").into_bytes(),
        bom,
    ] {
        let found = read(&variant);
        assert_eq!(
            (found.frac, found.numbers, found.lattice),
            (reference.frac.clone(), reference.numbers.clone(), reference.lattice)
        );
        assert_eq!(found.warnings, []);
    }
    let mut utf16: Vec<u8> = vec![0xff, 0xfe];
    utf16.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(read(&utf16).frac, reference.frac);
    let latin1: Vec<u8> = text.replace("Rutile", "R\u{fc}tile").chars().map(|c| c as u8).collect();
    assert_eq!(codes(&read(&latin1)), ["W-ENCODING"]);
}

#[test]
fn odd_numbers_are_refused_where_they_stand() {
    let text = String::from_utf8(FILES[0].1.to_vec()).unwrap();
    for odd in ["nan", "inf", "1e999", "1,5", "0x10", "1(", "--1", "1e-999e"] {
        for (from, line) in [("4.5937(1)", 5), ("0.3049(2)", 38)] {
            let damaged = text.replacen(from, odd, 1);
            let error = refused(damaged.as_bytes(), &lenient());
            assert_eq!(error.value.as_deref(), Some(odd), "{odd}");
            assert!(
                error.line.is_some_and(|found| found.abs_diff(line) <= 1),
                "{odd} {:?}",
                error.line
            );
        }
    }
    assert_eq!(
        read(text.replacen("4.5937(1)", "0.45937D+01", 1).as_bytes()).lattice[0][0],
        4.5937
    );
    assert_eq!(
        codes(&read(
            text.replacen("0.3049(2)", "1/3", 1)
                .replacen("0.3049(2)", "1/3", 1)
                .as_bytes()
        )),
        ["W-NUMBER", "W-NUMBER"]
    );
}

#[test]
fn limits_are_kept() {
    let limit = |options: CifOptions| refused(FILES[1].1, &options).code;
    assert_eq!(
        limit(CifOptions {
            max_bytes: 100,
            ..lenient()
        }),
        "E-LIMIT"
    );
    assert_eq!(
        limit(CifOptions {
            max_sites: 19,
            ..lenient()
        }),
        "E-LIMIT"
    );
    assert_eq!(
        limit(CifOptions {
            max_length: 10.0,
            ..lenient()
        }),
        "E-CELL"
    );
    assert_eq!(
        limit(CifOptions {
            min_spacing: 6.0,
            ..lenient()
        }),
        "E-CELL"
    );
}

#[test]
fn unknown_elements() {
    let text = String::from_utf8(FILES[0].1.to_vec()).unwrap().replace("Ti1", "M1");
    let error = refused(text.as_bytes(), &lenient());
    assert_eq!(
        (error.code, error.tag.as_deref(), error.value.as_deref()),
        ("E-ELEMENT", Some("_atom_site_label"), Some("M1"))
    );
    let crystal = read_crystal(
        text.as_bytes(),
        &CifOptions {
            unknown_element: UnknownElement::X,
            ..lenient()
        },
    )
    .unwrap();
    assert_eq!(crystal.numbers[0], 0);
    assert!(codes(&crystal).contains(&"W-ELEMENT"));
}

/// Readers and what they give go from thread to thread.
#[test]
fn everything_may_be_sent_and_shared() {
    fn check<T: Send + Sync + 'static>() {}
    check::<CifOptions>();
    check::<CifCrystal>();
    check::<recipnet_core::cif::CifBatch>();
    check::<Error>();
}

#[test]
fn many_in_order_for_any_number_of_threads() {
    let texts: Vec<&[u8]> = (0..600)
        .map(|index| match index % 4 {
            3 => b"data_broken loop_ _a _b 1".as_slice(),
            file => FILES[file].1,
        })
        .collect();
    let one = read_many(Sources::Texts(&texts), &lenient(), Some(1)).unwrap();
    assert_eq!((one.len(), one.failures.len()), (450, 150));
    for threads in [2, 7, 64] {
        let many = read_many(Sources::Texts(&texts), &lenient(), Some(threads)).unwrap();
        // Debug output, since NaN marks what is absent.
        assert_eq!(format!("{one:?}"), format!("{many:?}"));
    }
    assert!(read_many(Sources::Texts(&texts), &lenient(), Some(0)).is_err());
}

#[test]
fn paths_that_cannot_be_read() {
    let folder = std::env::temp_dir();
    let missing = folder.join("recipnet-no-such-file.cif");
    let results = read_many(Sources::Paths(&[&missing, &folder]), &lenient(), None).unwrap();
    for ((_, error), path) in results.failures.into_iter().zip([&missing, &folder]) {
        assert_eq!((error.code, error.path), ("E-IO", Some(path.display().to_string())));
    }
}

/// Shapes on which a reader with a quadratic step would work for minutes; this one ends at once.
#[test]
fn pathological_shapes_end() {
    type Shape = (&'static str, fn(usize) -> String);
    let shapes: [Shape; 12] = [
        ("open quotes", |n| "data_a\n".to_owned() + &"'a ".repeat(n)),
        ("many blocks", |n| "data_a _b c\n".repeat(n)),
        ("repeated tags", |n| {
            format!("data_a\n_t\n;{}\n;\n", "x ".repeat(n)) + &"_t y\n".repeat(n)
        }),
        ("semicolons", |n| "data_a _b\n;".to_owned() + &";".repeat(n)),
        ("one long loop", |n| "data_a loop_ _b ".to_owned() + &"1 ".repeat(n)),
        ("many tags", |n| {
            (0..n / 4).fold("data_a\n".to_owned(), |text, k| text + &format!("_t{k} 1\n"))
        }),
        ("extra values", |n| "data_a _b 1\n".to_owned() + &"2 ".repeat(n)),
        ("frames", |n| "data_a\n".to_owned() + &"save_f _b 1 save_\n".repeat(n)),
        ("one long word", |n| "data_a _b ".to_owned() + &"x".repeat(4 * n)),
        ("lists", |n| {
            "#\\#CIF_2.0\ndata_a loop_ _b ".to_owned() + &"[1 [2]] ".repeat(n)
        }),
        ("open brackets", |n| {
            "#\\#CIF_2.0\ndata_a loop_ _b ".to_owned() + &"[}".repeat(n) + &"[ ".repeat(n)
        }),
        ("operations", |n| {
            "data_a loop_ _symmetry_equiv_pos_as_xyz ".to_owned() + &"x,y,z\n".repeat(n)
        }),
    ];
    for (name, make) in shapes {
        let text = make(200_000);
        if let Ok(crystal) = read_crystal(text.as_bytes(), &lenient()) {
            panic!("{name} is no structure: {} atoms", crystal.numbers.len());
        }
    }
}
