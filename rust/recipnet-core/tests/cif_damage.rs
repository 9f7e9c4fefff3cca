//! Damage done to whole files, the same each time: no panic, and what is left is a crystal or an error with its place.

use recipnet_core::cif::{CifCrystal, CifOptions, Sources, read_crystal, read_many};
use recipnet_core::error::Error;

const FILES: [(&str, &str); 3] = [
    ("rutile", include_str!("data/rutile.cif")),
    ("acetate", include_str!("data/acetate.cif")),
    ("mixed", include_str!("data/mixed_crlf.cif")),
];

/// Ten texts from three files: as they are, with other line ends, and with tags in upper case.
fn texts() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, text) in FILES {
        all.push((name.to_owned(), text.to_owned()));
        let plain = text.replace("\r\n", "\n");
        all.push((format!("{name}, CR"), plain.replace('\n', "\r")));
        all.push((format!("{name}, mixed ends"), plain.replace("\n_", "\r\n_")));
    }
    all.push(("rutile as CIF 2".into(), format!("#\\#CIF_2.0\n{}", FILES[0].1)));
    all
}

fn checked(bytes: &[u8], strict: bool, what: &str) -> Option<CifCrystal> {
    let options = CifOptions {
        strict,
        ..CifOptions::default()
    };
    match read_crystal(bytes, &options) {
        Ok(crystal) => {
            let count = crystal.numbers.len();
            assert!(count > 0, "{what}");
            assert_eq!((crystal.frac.len(), crystal.labels.len()), (count, count), "{what}");
            assert!(crystal.frac.iter().flatten().all(|x| (0.0..1.0).contains(x)), "{what}");
            Some(crystal)
        }
        Err(Error::Read(error)) => {
            assert!(error.code.starts_with("E-") && !error.message.is_empty(), "{what}");
            None
        }
        Err(other) => panic!("{what}: {other}"),
    }
}

#[test]
fn every_cut_of_ten_files() {
    let mut crystals = 0;
    for (name, text) in texts() {
        for end in 0..text.len() {
            crystals += usize::from(checked(&text.as_bytes()[..end], false, &format!("{name} cut at {end}")).is_some());
        }
    }
    assert!(crystals > 100);
}

#[test]
fn every_byte_of_five_files_flipped() {
    for (name, text) in texts().into_iter().step_by(2) {
        let mut bytes = text.into_bytes();
        for place in 0..bytes.len() {
            let whole = bytes[place];
            for mask in [0x01, 0x80, 0xff] {
                bytes[place] = whole ^ mask;
                checked(&bytes, place % 2 == 0, &format!("{name}, byte {place} ^ {mask}"));
            }
            bytes[place] = whole;
        }
    }
}

#[test]
fn numbers_replaced_by_what_is_none() {
    for (name, text) in FILES {
        let words: Vec<(usize, &str)> = text
            .split_ascii_whitespace()
            .map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
            .filter(|(_, word)| word.starts_with(|first: char| first.is_ascii_digit() || first == '-'))
            .collect();
        for (at, word) in words {
            for other in ["nan", "inf", "1e999", "-0", "1.0D+00", "1,5", "0x10", "1("] {
                let damaged = format!("{}{other}{}", &text[..at], &text[at + word.len()..]);
                let what = format!("{name}: {other} for {word} at {at}");
                if let Some(crystal) = checked(damaged.as_bytes(), false, &what) {
                    assert!(crystal.lattice.iter().flatten().all(|x| x.is_finite()), "{what}");
                    assert!(crystal.occupancies.iter().all(|x| x.is_finite()), "{what}");
                }
            }
        }
    }
}

/// What a text asks for does not depend on what was read before it, nor on the thread that reads it.
#[test]
fn memory_of_earlier_texts_changes_nothing() {
    let good = FILES[0].1;
    let variants = [
        good.to_owned(),
        good.replace("136", "135"),
        good.replace("4.5937(1)", "5.5937(1)"),
        good.replacen("'-x,-y,z'", "'-x,-y,z+1/2'", 1),
        format!("{good}\n_cell_modulation_dimension 1\n"),
    ];
    let options = CifOptions::default();
    let alone: Vec<String> = variants
        .iter()
        .map(|text| {
            let text = text.clone();
            // A new thread remembers nothing.
            std::thread::spawn(move || format!("{:?}", read_crystal(text.as_bytes(), &CifOptions::default())))
                .join()
                .unwrap()
        })
        .collect();
    for round in 0..5 {
        for (text, alone) in variants.iter().zip(&alone) {
            let found = format!("{:?}", read_crystal(text.as_bytes(), &options));
            assert_eq!(&found, alone, "round {round}");
        }
    }
    let texts: Vec<&[u8]> = (0..500)
        .map(|place| variants[place % variants.len()].as_bytes())
        .collect();
    let one = format!("{:?}", read_many(Sources::Texts(&texts), &options, Some(1)).unwrap());
    for threads in [2, 7] {
        let many = format!(
            "{:?}",
            read_many(Sources::Texts(&texts), &options, Some(threads)).unwrap()
        );
        assert_eq!(one, many);
    }
}
