//! Damage done to whole files, the same each time: no panic, and what is left is a crystal or an error with its place.

use recipnet_core::cif::{CifCrystal, CifOptions, Sources, read_crystal, read_many};
use recipnet_core::error::Error;

/// In the manners of ten programs and dictionaries, and three by hand; see `data/README.md`.
const FILES: [(&str, &str); 13] = [
    ("rutile", include_str!("data/rutile.cif")),
    ("acetate", include_str!("data/acetate.cif")),
    ("mixed", include_str!("data/mixed_crlf.cif")),
    ("pymatgen", include_str!("data/pymatgen.cif")),
    ("ase", include_str!("data/ase.cif")),
    ("gemmi", include_str!("data/gemmi.cif")),
    ("jarvis", include_str!("data/jarvis.cif")),
    ("shelxl", include_str!("data/shelxl.cif")),
    ("vesta", include_str!("data/vesta.cif")),
    ("amcsd", include_str!("data/amcsd.cif")),
    ("magnetic", include_str!("data/magnetic.mcif")),
    ("modulated", include_str!("data/modulated.cif")),
    ("cif2", include_str!("data/cif2.cif")),
];
/// What no number is, or is written oddly.
const ODD: [&str; 8] = ["nan", "inf", "1e999", "-0", "1.0D+00", "1,5", "0x10", "1("];

fn options(strict: bool) -> CifOptions {
    CifOptions {
        strict,
        ..CifOptions::default()
    }
}

fn checked(bytes: &[u8], strict: bool, what: impl Fn() -> String) -> Option<CifCrystal> {
    match read_crystal(bytes, &options(strict)) {
        Ok(crystal) => {
            let count = crystal.numbers.len();
            assert!(count > 0, "{}", what());
            assert_eq!((crystal.frac.len(), crystal.labels.len()), (count, count), "{}", what());
            assert!(
                crystal.frac.iter().flatten().all(|x| (0.0..1.0).contains(x)),
                "{}",
                what()
            );
            assert!(crystal.lattice.iter().flatten().all(|x| x.is_finite()), "{}", what());
            assert!(crystal.occupancies.iter().all(|x| x.is_finite()), "{}", what());
            Some(crystal)
        }
        Err(Error::Read(error)) => {
            assert!(error.code.starts_with("E-") && !error.message.is_empty(), "{}", what());
            None
        }
        Err(other) => panic!("{}: {other}", what()),
    }
}

/// Damaged texts and those of them that are still a crystal.
#[derive(Default)]
struct Tally {
    texts: usize,
    crystals: usize,
}

impl Tally {
    fn add(&mut self, crystal: Option<&CifCrystal>) {
        self.texts += 1;
        self.crystals += usize::from(crystal.is_some());
    }

    fn print(&self, what: &str) {
        println!("{what}: {} texts, {} of them crystals", self.texts, self.crystals);
    }
}

#[test]
fn every_cut() {
    let mut tally = Tally::default();
    for (name, text) in FILES {
        let whole = read_crystal(text.as_bytes(), &options(false)).ok();
        // Where the file says what it holds, and holds it, less of it cannot pass in silence.
        let declared =
            text.contains("_chemical_formula_sum") && whole.as_ref().is_some_and(|whole| whole.warnings.is_empty());
        for end in 0..text.len() {
            let what = || format!("{name} cut at {end}");
            let found = checked(&text.as_bytes()[..end], end % 2 == 0, what);
            tally.add(found.as_ref());
            if let (true, Some(found), Some(whole)) = (declared, &found, &whole) {
                let heavy = |crystal: &CifCrystal| crystal.numbers.iter().filter(|&&number| number != 1).count();
                assert!(heavy(found) >= heavy(whole) || !found.warnings.is_empty(), "{}", what());
            }
        }
    }
    tally.print("cuts");
    assert!(tally.texts > 12_000 && tally.crystals > 500);
}

#[test]
fn every_byte_flipped() {
    let mut tally = Tally::default();
    for (name, text) in FILES {
        let mut bytes = text.as_bytes().to_vec();
        for place in 0..bytes.len() {
            let whole = bytes[place];
            // All bytes with one mask each, so that every mask meets every kind of byte somewhere.
            let masks: &[u8] = if name.len() == 6 {
                &[0x01, 0x10, 0x80, 0xff]
            } else {
                &[[0x01, 0x10, 0x20, 0x80, 0xff][place % 5]]
            };
            for mask in masks {
                bytes[place] = whole ^ mask;
                let found = checked(&bytes, place % 2 == 0, || format!("{name}, byte {place} ^ {mask}"));
                tally.add(found.as_ref());
            }
            bytes[place] = whole;
        }
    }
    tally.print("flips");
    assert!(tally.texts > 15_000 && tally.crystals > 1_000);
}

#[test]
fn every_number_replaced_by_what_is_none() {
    let mut tally = Tally::default();
    for (name, text) in FILES {
        let words = text
            .split_ascii_whitespace()
            .map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
            .filter(|(_, word)| word.starts_with(|first: char| first.is_ascii_digit() || "-.".contains(first)));
        for (at, word) in words {
            for other in ODD {
                let damaged = format!("{}{other}{}", &text[..at], &text[at + word.len()..]);
                let what = || format!("{name}: {other} for {word} at {at}");
                tally.add(checked(damaged.as_bytes(), false, what).as_ref());
            }
        }
    }
    tally.print("numbers");
    assert!(tally.texts > 2_000);
}

/// The same text in other clothes: the crystal stays, and where the encoding is no CIF's, that is said.
#[test]
fn line_ends_encodings_and_case_change_nothing() {
    let upper = |text: &str| -> String {
        text.split_inclusive([' ', '\t', '\n'])
            .map(|word| {
                let tag = word.starts_with('_') || word.trim_end() == "loop_" || word.starts_with("data_");
                if tag { word.to_uppercase() } else { word.to_owned() }
            })
            .collect()
    };
    let mut variants = 0;
    for (name, text) in FILES {
        let Ok(reference) = read_crystal(text.as_bytes(), &options(false)) else {
            assert_eq!(name, "jarvis");
            continue;
        };
        let plain = text.replace("\r\n", "\n");
        let mut bom = b"\xef\xbb\xbf".to_vec();
        bom.extend_from_slice(text.as_bytes());
        let wide = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            mark.into_iter().chain(text.encode_utf16().flat_map(bytes)).collect()
        };
        // A letter beyond ASCII in a comment after the first line, which may say that it is CIF 2.
        let noted = plain.replacen("\ndata_", "\n# \u{e9}\ndata_", 1);
        let noted = if noted == plain {
            format!("# \u{e9}\n{plain}")
        } else {
            noted
        };
        let latin: Option<Vec<u8>> = noted.chars().map(|c| u8::try_from(c).ok()).collect();
        let mut all: Vec<(&str, Vec<u8>, bool)> = vec![
            ("CRLF", plain.replace('\n', "\r\n").into_bytes(), false),
            ("CR", plain.replace('\n', "\r").into_bytes(), false),
            (
                "mixed ends",
                plain.replace("\n_", "\r\n_").replace("\nloop_", "\rloop_").into_bytes(),
                false,
            ),
            ("byte order mark", bom, false),
            ("upper case", upper(text).into_bytes(), false),
            ("UTF-16, little end first", wide([0xff, 0xfe], u16::to_le_bytes), true),
            ("UTF-16, big end first", wide([0xfe, 0xff], u16::to_be_bytes), true),
        ];
        all.extend(latin.map(|bytes| ("Latin-1", bytes, true)));
        for (how, bytes, encoding) in all {
            let found = checked(&bytes, false, || format!("{name}, {how}")).unwrap_or_else(|| panic!("{name}, {how}"));
            let of = |crystal: &CifCrystal| {
                let mut codes: Vec<&str> = crystal.warnings.iter().map(|warning| warning.code).collect();
                codes.retain(|&code| code != "W-ENCODING");
                format!(
                    "{:?} {:?} {:?} {:?} {codes:?}",
                    crystal.frac, crystal.numbers, crystal.lattice, crystal.occupancies
                )
            };
            assert_eq!(of(&found), of(&reference), "{name}, {how}");
            let told = found.warnings.iter().any(|warning| warning.code == "W-ENCODING");
            assert_eq!(told, encoding, "{name}, {how}");
            assert_eq!(
                checked(&bytes, true, || name.to_owned()).is_some(),
                !encoding && { read_crystal(text.as_bytes(), &options(true)).is_ok() },
                "{name}, {how}, strict"
            );
            variants += 1;
        }
    }
    println!("variants: {variants}");
    assert!(variants > 90);
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
