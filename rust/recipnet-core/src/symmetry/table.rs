//! The 530 tabulated settings of the 230 space groups, found by symbol or number. The table itself is moyo's.

use std::collections::HashMap;
use std::sync::OnceLock;

use moyo::data::{
    CrystalSystem, GeometricCrystalClass, HallSymbolEntry, Setting as Preference, arithmetic_crystal_class_entry,
    hall_symbol_entry,
};

use super::hall::parse_hall;
use super::operation::Operations;

const SETTINGS: usize = 530;

/// One tabulated setting.
#[derive(Debug)]
pub struct Setting {
    /// 1 to 530.
    pub hall_number: u16,
    /// 1 to 230.
    pub number: u8,
    /// Which setting of its group: origin `1` or `2`, axes `H` or `R`, `b1`, `cab`, …; empty where there is one.
    pub code: &'static str,
    /// Hall symbol, with the quotation mark of the printed tables where moyo writes `=`.
    pub hall_symbol: String,
    /// Full Hermann-Mauguin symbol.
    pub hm_symbol: &'static str,
    short: &'static str,
    operations: OnceLock<Operations>,
}

impl Setting {
    /// Its operations, made when first asked for.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        // Every symbol of the table parses: a test reads all 530.
        self.operations
            .get_or_init(|| parse_hall(&self.hall_symbol).unwrap_or_else(|_| Operations::identity()))
    }

    /// The name that `settings_of_symbol` understands: Hermann-Mauguin symbol (full for monoclinic groups, short for
    /// the others), with `:1`, `:2`, `:H`, `:R` or the code where origin or axes are a matter of choice.
    #[must_use]
    pub fn name(&self) -> String {
        let monoclinic = (3..=15).contains(&self.number);
        let symbol = if monoclinic { self.hm_symbol } else { self.short }.replace('_', "");
        let name = match self.code.bytes().next() {
            Some(choice @ (b'1' | b'2' | b'H' | b'R')) => format!("{symbol}:{}", char::from(choice)),
            _ => symbol.clone(),
        };
        // With the letter e, C m m e is one symbol for what once were C m m a and C m m b, a shift of origin apart.
        let means_this = settings_of_symbol(&name)
            .first()
            .is_some_and(|first| first.hall_number == self.hall_number || first.operations() == self.operations());
        if means_this {
            name
        } else {
            format!("{symbol}:{}", self.code)
        }
    }

    /// Symbol of the geometric crystal class: `m-3m`, `2/m`, ….
    #[must_use]
    pub fn point_group(&self) -> String {
        match class(self.hall_number) {
            // Named by the class of the hexagonal axes in International Tables A, 3.2.1.
            GeometricCrystalClass::D3h => "-62m".to_owned(),
            class => class.to_string(),
        }
    }

    /// `triclinic`, `monoclinic`, `orthorhombic`, `tetragonal`, `trigonal`, `hexagonal` or `cubic`.
    #[must_use]
    pub fn crystal_system(&self) -> String {
        let system = CrystalSystem::from_geometric_crystal_class(class(self.hall_number));
        system.to_string().to_ascii_lowercase()
    }

    /// Whether the group's default is this setting: origin 2, hexagonal axes, unique axis b.
    #[must_use]
    pub fn is_standard(&self) -> bool {
        Preference::Standard.hall_number(i32::from(self.number)) == Some(i32::from(self.hall_number))
    }
}

fn class(hall_number: u16) -> GeometricCrystalClass {
    hall_symbol_entry(i32::from(hall_number))
        .and_then(|entry| arithmetic_crystal_class_entry(entry.arithmetic_number))
        .map_or(GeometricCrystalClass::C1, |entry| entry.geometric_crystal_class)
}

/// All settings in the order of their Hall numbers.
#[must_use]
pub fn settings() -> &'static [Setting] {
    static TABLE: OnceLock<Vec<Setting>> = OnceLock::new();
    TABLE.get_or_init(|| {
        (1..=SETTINGS as i32)
            .filter_map(hall_symbol_entry)
            .map(
                |HallSymbolEntry {
                     hall_number,
                     number,
                     setting,
                     hall_symbol,
                     hm_short,
                     hm_full,
                     ..
                 }| Setting {
                    hall_number: hall_number as u16,
                    number: number as u8,
                    code: setting,
                    hall_symbol: hall_symbol.replace('=', "\""),
                    hm_symbol: hm_full,
                    short: hm_short,
                    operations: OnceLock::new(),
                },
            )
            .collect()
    })
}

/// The settings of a group, the default first.
#[must_use]
pub fn settings_of_number(number: u8) -> Vec<&'static Setting> {
    let mut found: Vec<_> = settings().iter().filter(|setting| setting.number == number).collect();
    found.sort_by_key(|setting| !setting.is_standard());
    found
}

/// The settings that a Hermann-Mauguin symbol can mean, the likeliest first; empty where it is not understood.
///
/// Spaces, underscores, brackets and case are free (`P2_1/c`, `P 21/c`, `P2(1)/c`); `:1 :2 :H :R :b1` or a final
/// `S Z H R` names the setting. Symbols of older tables are known: `F d 3 m`, `C m c a`.
#[must_use]
pub fn settings_of_symbol(text: &str) -> Vec<&'static Setting> {
    if text.len() > 200 {
        return Vec::new();
    }
    let text = text.split(['#', ';']).next().unwrap_or("").to_ascii_lowercase();
    let (symbol, code) = match text.split_once(':') {
        Some((symbol, code)) => (squeeze(symbol), squeeze(code)),
        None => (squeeze(&text), String::new()),
    };
    let found = lookup(&symbol);
    let (found, code) = if found.is_empty() && code.is_empty() {
        // The last letter may be the setting, as the ICSD writes it.
        let code = match symbol.chars().next_back() {
            Some('s') => "1",
            Some('z') => "2",
            Some('h') => "h",
            Some('r') => "r",
            _ => return Vec::new(),
        };
        (lookup(&symbol[..symbol.len() - 1]), code.to_owned())
    } else {
        (found, code)
    };
    let mut chosen: Vec<&Setting> = found
        .into_iter()
        .filter(|setting| {
            code.is_empty()
                || setting.code.eq_ignore_ascii_case(&code)
                || (matches!(code.as_str(), "1" | "2") && setting.code.starts_with(&code) && origin(setting).is_some())
        })
        .collect();
    chosen.sort_by_key(|setting| (!setting.is_standard(), origin(setting) == Some(1), setting.hall_number));
    chosen
}

/// Origin choice, where the group has two.
fn origin(setting: &Setting) -> Option<u8> {
    let first = setting.code.bytes().next()?;
    matches!(first, b'1' | b'2').then(|| first - b'0')
}

fn squeeze(symbol: &str) -> String {
    symbol
        .chars()
        .filter(|letter| !letter.is_whitespace() && !matches!(letter, '_' | '(' | ')' | '\''))
        .collect()
}

fn lookup(symbol: &str) -> Vec<&'static Setting> {
    static INDEX: OnceLock<HashMap<String, Vec<u16>>> = OnceLock::new();
    let index = INDEX.get_or_init(index);
    let places = index.get(symbol).map_or(&[][..], Vec::as_slice);
    places.iter().map(|&place| &settings()[usize::from(place)]).collect()
}

/// Every spelling with the places of its settings. Names of today's tables win over those of older ones.
fn index() -> HashMap<String, Vec<u16>> {
    let mut index: HashMap<String, Vec<u16>> = HashMap::new();
    let mut add = |key: String, place: u16| {
        let places = index.entry(key).or_default();
        if !places.contains(&place) {
            places.push(place);
        }
    };
    let all = settings();
    for (setting, place) in all.iter().zip(0u16..) {
        for name in names(setting) {
            add(name, place);
        }
    }
    for (setting, place) in all.iter().zip(0u16..) {
        for name in names(setting) {
            for old in older(setting, &name) {
                let taken = index.get(&old).is_some_and(|places| {
                    places
                        .iter()
                        .any(|&other| all[usize::from(other)].number != setting.number)
                });
                if !taken {
                    let places = index.entry(old).or_default();
                    if !places.contains(&place) {
                        places.push(place);
                    }
                }
            }
        }
    }
    index
}

fn names(setting: &Setting) -> Vec<String> {
    let full = squeeze(&setting.hm_symbol.to_ascii_lowercase());
    if (3..=15).contains(&setting.number) {
        // The table's short symbol is that of the default; here each setting has its own.
        let short: String = setting
            .hm_symbol
            .to_ascii_lowercase()
            .split(' ')
            .filter(|&part| part != "1")
            .map(squeeze)
            .collect();
        vec![full, short]
    } else {
        let short = squeeze(&setting.short.to_ascii_lowercase());
        if short == full { vec![full] } else { vec![full, short] }
    }
}

fn older(setting: &Setting, name: &str) -> Vec<String> {
    let number = setting.number;
    let mut out = Vec::new();
    if number >= 195 && name.contains("-3") {
        out.push(name.replace("-3", "3"));
    }
    if matches!(number, 39 | 41 | 64) {
        out.extend(["a", "b", "c"].iter().map(|letter| name.replace('e', letter)));
    }
    if matches!(number, 67 | 68) {
        // Here the two letters that e stands for name two origins.
        let letter = match setting.code.trim_start_matches(['1', '2']) {
            "ba-c" | "cab" => "b",
            "-cba" | "bca" => "c",
            _ => "a",
        };
        out.push(name.replace('e', letter));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use moyo::data::HallSymbol;

    #[test]
    fn all_settings_agree_with_moyo() {
        assert_eq!(settings().len(), 530);
        for setting in settings() {
            let ours = setting.operations();
            let theirs = HallSymbol::new(&setting.hall_symbol.replace('"', "=")).unwrap();
            let mut expected = std::collections::HashSet::new();
            for operation in theirs.traverse() {
                for shift in
                    std::iter::once([0.0; 3]).chain(theirs.centering_translations.iter().map(|t| [t[0], t[1], t[2]]))
                {
                    let rotation: [[i32; 3]; 3] =
                        std::array::from_fn(|i| std::array::from_fn(|j| operation.rotation[(i, j)]));
                    let translation: [i32; 3] = std::array::from_fn(|i| {
                        (((operation.translation[i] + shift[i]) * 24.0).round() as i32).rem_euclid(24)
                    });
                    expected.insert((rotation, translation));
                }
            }
            let found: std::collections::HashSet<_> = ours
                .as_slice()
                .iter()
                .map(|one| {
                    (
                        one.rotation.map(|row| row.map(i32::from)),
                        one.translation.map(i32::from),
                    )
                })
                .collect();
            assert_eq!(found, expected, "{}", setting.hall_symbol);
            assert_eq!(ours.len(), expected.len(), "{}", setting.hall_symbol);
            assert!(ours.is_group(), "{}", setting.hall_symbol);
        }
    }

    #[test]
    fn every_symbol_finds_its_group() {
        for setting in settings() {
            let found = settings_of_symbol(setting.hm_symbol);
            assert!(
                found.iter().any(|other| other.hall_number == setting.hall_number),
                "{}",
                setting.hm_symbol
            );
            for name in names(setting) {
                assert!(
                    lookup(&name).iter().all(|other| other.number == setting.number),
                    "{name} is ambiguous"
                );
            }
        }
    }

    #[test]
    fn spellings() {
        let first = |symbol: &str| {
            settings_of_symbol(symbol)
                .first()
                .map(|setting| (setting.number, setting.code))
        };
        for symbol in [
            "P 1 21/c 1",
            "P21/c",
            "P 21/c",
            "P2_1/c",
            "P2(1)/c",
            "p 1 21/c 1",
            "P_1_21/c_1",
        ] {
            assert_eq!(first(symbol), Some((14, "b1")), "{symbol}");
        }
        assert_eq!(first("P 21/n"), Some((14, "b2")));
        assert_eq!(first("P 1 1 21/n"), Some((14, "c2")));
        assert_eq!(first("F d -3 m"), Some((227, "2")));
        assert_eq!(first("Fd3m"), Some((227, "2")));
        assert_eq!(first("F d -3 m :1"), Some((227, "1")));
        assert_eq!(first("F d -3 m S"), Some((227, "1")));
        assert_eq!(first("Fd3m Z"), Some((227, "2")));
        assert_eq!(first("R 3 :H"), Some((146, "H")));
        assert_eq!(first("R -3 m R"), Some((166, "R")));
        assert_eq!(first("R3c"), Some((161, "H")));
        assert_eq!(first("C2:b1"), Some((5, "b1")));
        assert_eq!(first("C m c a"), Some((64, "")));
        assert_eq!(first("A b a 2"), Some((41, "")));
        assert_eq!(first("P b n m"), Some((62, "cab")));
        assert_eq!(first("P 63/m m c"), Some((194, "")));
        for unknown in ["", "X4bm", "P 7", "Fd3mQ", "P 1 21/c 1:9", "?"] {
            assert_eq!(first(unknown), None, "{unknown}");
        }
    }
}
