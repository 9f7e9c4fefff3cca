//! A space group: its operations, and what the tables call them.

use std::collections::HashSet;

use moyo::base::{Lattice, Operation as Found, Rotation, Translation};
use moyo::data::Setting as Table;

use super::basis::PrimitiveOperation;
use super::hall::parse_hall;
use super::operation::Operations;
use super::table::{Setting, settings, settings_of_number, settings_of_symbol};
use crate::error::SymmetryError;

/// Largest distance, in fractions of a primitive cell, of two translations that are taken as equal when a type is
/// looked up. Exact fractions over 10080 are further apart.
const EPSILON: f64 = 1e-6;

/// Which setting a number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preference {
    /// Unique axis b and cell choice 1, origin choice 2, hexagonal axes: moyo's `Standard`.
    #[default]
    Standard,
    /// The smallest Hall number, as spglib chooses: origin choice 1.
    Spglib,
}

/// A space group in one setting. The operations are the truth; symbols and numbers are their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceGroup {
    number: u8,
    hall_number: Option<u16>,
    hm_symbol: String,
    hall_symbol: Option<String>,
    operations: Operations,
}

impl SpaceGroup {
    /// Group 1 to 230 in the preferred setting.
    ///
    /// # Errors
    /// A number outside 1..=230.
    pub fn from_number(number: i64, preference: Preference) -> Result<Self, SymmetryError> {
        let table = match preference {
            Preference::Standard => Table::Standard,
            Preference::Spglib => Table::Spglib,
        };
        i32::try_from(number)
            .ok()
            .filter(|number| (1..=230).contains(number))
            .and_then(|number| table.hall_number(number))
            .and_then(|hall_number| setting(i64::from(hall_number)))
            .map(Self::from_setting)
            .ok_or_else(|| SymmetryError {
                message: format!("there is no space group {number}; they are numbered 1 to 230"),
                value: number.to_string(),
            })
    }

    /// Setting 1 to 530 of the tables.
    ///
    /// # Errors
    /// A Hall number outside 1..=530.
    pub fn from_hall_number(hall_number: i64) -> Result<Self, SymmetryError> {
        setting(hall_number)
            .map(Self::from_setting)
            .ok_or_else(|| SymmetryError {
                message: format!("there is no Hall number {hall_number}; they run from 1 to 530"),
                value: hall_number.to_string(),
            })
    }

    /// The likeliest setting that a Hermann-Mauguin symbol can mean; see [`settings_of_symbol`].
    ///
    /// # Errors
    /// A symbol that no table knows.
    pub fn from_symbol(symbol: &str) -> Result<Self, SymmetryError> {
        settings_of_symbol(symbol)
            .first()
            .map(|setting| Self::from_setting(setting))
            .ok_or_else(|| SymmetryError {
                message: format!("{:?} is no Hermann-Mauguin symbol of the tables", shortened(symbol)),
                value: shortened(symbol),
            })
    }

    /// The group of a Hall symbol, tabulated or not.
    ///
    /// # Errors
    /// Text that is no Hall symbol; see [`parse_hall`].
    pub fn from_hall(symbol: &str) -> Result<Self, SymmetryError> {
        let mut group = Self::from_operations(parse_hall(symbol)?)?;
        if group.hall_symbol.is_none() {
            group.hall_symbol = Some(symbol.trim().to_owned());
        }
        Ok(group)
    }

    /// The group of a complete list of operations, in any cell and from any origin.
    ///
    /// The axes are taken as right-handed: in left-handed ones a group and its mirror image change names. Nothing is
    /// added to the list.
    ///
    /// # Errors
    /// A list that is no group, or that names an operation twice.
    pub fn from_operations(operations: Operations) -> Result<Self, SymmetryError> {
        let mut seen = HashSet::with_capacity(operations.len());
        if let Some(place) = operations.as_slice().iter().position(|one| !seen.insert(*one)) {
            let text = operations.as_slice()[place].to_xyz(operations.denominator());
            return Err(SymmetryError {
                message: format!("operation {place}, {text}, is listed before; list each operation once"),
                value: text,
            });
        }
        operations.check_group()?;
        let number = identify(&operations.primitive()).ok_or_else(|| SymmetryError {
            message: format!("the type of these {} operations is in no table", operations.len()),
            value: operations.to_xyz().join("; ").chars().take(200).collect(),
        })?;
        let known = settings_of_number(number);
        let tabulated = known.iter().find(|setting| setting.operations().same_set(&operations));
        Ok(Self {
            number,
            hall_number: tabulated.map(|setting| setting.hall_number),
            // A list in other axes is called by the name of its type.
            hm_symbol: tabulated
                .or(known.first())
                .map(|setting| setting.name())
                .unwrap_or_default(),
            hall_symbol: tabulated.map(|setting| setting.hall_symbol.clone()),
            operations,
        })
    }

    fn from_setting(setting: &Setting) -> Self {
        Self {
            number: setting.number,
            hall_number: Some(setting.hall_number),
            hm_symbol: setting.name(),
            hall_symbol: Some(setting.hall_symbol.clone()),
            operations: setting.operations().clone(),
        }
    }

    /// Number of the type, 1 to 230.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Number of the tabulated setting with these operations, if there is one.
    #[must_use]
    pub fn hall_number(&self) -> Option<u16> {
        self.hall_number
    }

    /// Hermann-Mauguin symbol of the setting, or of the type's default where the setting is in no table.
    #[must_use]
    pub fn hm_symbol(&self) -> &str {
        &self.hm_symbol
    }

    /// Hall symbol, if the setting is tabulated or was given by one.
    #[must_use]
    pub fn hall_symbol(&self) -> Option<&str> {
        self.hall_symbol.as_deref()
    }

    /// Symbol of the geometric crystal class: `m-3m`, `2/m`, ….
    #[must_use]
    pub fn point_group(&self) -> String {
        self.named(Setting::point_group)
    }

    /// `triclinic`, `monoclinic`, `orthorhombic`, `tetragonal`, `trigonal`, `hexagonal` or `cubic`.
    #[must_use]
    pub fn crystal_system(&self) -> String {
        self.named(Setting::crystal_system)
    }

    /// The operations, centrings included.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        &self.operations
    }

    fn named(&self, of: impl Fn(&Setting) -> String) -> String {
        settings_of_number(self.number)
            .first()
            .map(|setting| of(setting))
            .unwrap_or_default()
    }
}

fn setting(hall_number: i64) -> Option<&'static Setting> {
    let place = usize::try_from(hall_number).ok()?.checked_sub(1)?;
    settings().get(place)
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Number of the type, through moyo: it matches the operations with the tables in a reduced primitive basis.
fn identify(operations: &[PrimitiveOperation]) -> Option<u8> {
    // A lattice that the group keeps: any metric, averaged over the rotations.
    let mut metric = [[0.0; 3]; 3];
    for (rotation, _) in operations {
        for i in 0..3 {
            for j in 0..3 {
                metric[i][j] += (0..3).map(|k| (rotation[k][i] * rotation[k][j]) as f64).sum::<f64>();
            }
        }
    }
    let lattice = Lattice::from_basis(cholesky(&metric)?);
    let found: Vec<Found> = operations
        .iter()
        .map(|(rotation, translation)| {
            let [a, b, c] = rotation.map(|row| row.map(|entry| entry as i32));
            Found::new(
                Rotation::new(a[0], a[1], a[2], b[0], b[1], b[2], c[0], c[1], c[2]),
                Translation::new(translation[0], translation[1], translation[2]),
            )
        })
        .collect();
    let group = moyo::identify::SpaceGroup::from_lattice(&lattice, &found, Table::Standard, EPSILON).ok()?;
    u8::try_from(group.number).ok()
}

/// Rows of a right-handed lattice with unit volume and, up to that factor, this metric.
fn cholesky(metric: &[[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let mut rows = [[0.0; 3]; 3];
    for i in 0..3 {
        for j in 0..=i {
            let rest = metric[i][j] - (0..j).map(|k| rows[i][k] * rows[j][k]).sum::<f64>();
            rows[i][j] = if i == j { rest.sqrt() } else { rest / rows[j][j] };
        }
    }
    let scale = (rows[0][0] * rows[1][1] * rows[2][2]).cbrt();
    (scale > 0.0).then(|| rows.map(|row| row.map(|entry| entry / scale)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symmetry::ChangeOfBasis;

    #[test]
    fn every_setting_is_found_by_each_of_its_names() {
        for known in settings() {
            let group = SpaceGroup::from_hall_number(i64::from(known.hall_number)).unwrap();
            assert_eq!(group.hall_number(), Some(known.hall_number));
            for other in [
                SpaceGroup::from_hall(&known.hall_symbol).unwrap(),
                SpaceGroup::from_operations(known.operations().clone()).unwrap(),
                SpaceGroup::from_symbol(group.hm_symbol()).unwrap(),
            ] {
                assert_eq!(other.number(), known.number, "{}", group.hm_symbol());
                assert!(other.operations().same_set(group.operations()), "{}", group.hm_symbol());
            }
        }
    }

    #[test]
    fn numbers_have_two_conventions() {
        let hall = |number, preference| {
            SpaceGroup::from_number(number, preference)
                .unwrap()
                .hall_number()
                .unwrap()
        };
        let differ: Vec<i64> = (1..=230)
            .filter(|&number| hall(number, Preference::Standard) != hall(number, Preference::Spglib))
            .collect();
        let stated = [
            48, 50, 59, 68, 70, 85, 86, 88, 125, 126, 129, 130, 133, 134, 137, 138, 141, 142, 201, 203, 222, 224, 227,
            228,
        ];
        assert_eq!(differ, stated);
        for number in [i64::MIN, -1, 0, 231, 530, i64::MAX] {
            assert!(SpaceGroup::from_number(number, Preference::Standard).is_err());
        }
        for number in [i64::MIN, 0, 531, i64::MAX] {
            assert!(SpaceGroup::from_hall_number(number).is_err());
        }
    }

    #[test]
    fn other_axes_and_origins_keep_the_type() {
        // A small generator of its own, so that the case that fails is always the same.
        let mut state = 20u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            ((state >> 33) % below) as i32
        };
        for known in settings() {
            let mut matrix = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
            for _ in 0..3 {
                let (i, j) = (random(3) as usize, random(3) as usize);
                if i != j {
                    let times = random(3) - 1;
                    for k in 0..3 {
                        matrix[k][j] += times * matrix[k][i];
                    }
                }
            }
            let below = [24, 5, 7, 16][random(4) as usize];
            let change =
                ChangeOfBasis::new(matrix, 1, [random(48) - 24, random(48) - 24, random(48) - 24], below).unwrap();
            let moved = known.operations().change_basis(&change).unwrap();
            assert_eq!(moved.len(), known.operations().len());
            let group = SpaceGroup::from_operations(moved.clone()).unwrap();
            assert_eq!(group.number(), known.number, "{} {change:?}", known.hall_symbol);
            let primitive = moved.change_basis(&moved.to_primitive()).unwrap();
            let rotations: HashSet<_> = primitive.as_slice().iter().map(|one| one.rotation).collect();
            assert_eq!(rotations.len(), primitive.len(), "one operation for each rotation");
            let group = SpaceGroup::from_operations(primitive).unwrap();
            assert_eq!(group.number(), known.number, "{} {change:?}", known.hall_symbol);
        }
    }

    #[test]
    fn lists_that_are_no_group_say_what_is_missing() {
        let refuse = |texts: &[&str]| {
            SpaceGroup::from_operations(Operations::from_xyz(texts).unwrap())
                .unwrap_err()
                .message
        };
        assert!(refuse(&["-x,-y,-z"]).contains("x,y,z is missing"));
        let open = refuse(&["x,y,z", "-x,y,z", "x,-y,z"]);
        assert!(open.contains("gives -x,-y,z, which is missing"), "{open}");
        assert!(refuse(&["x,y,z", "-x,-y,-z", "-x,-y,1-z"]).contains("operation 2, -x,-y,-z, is listed before"));
        assert!(refuse(&[]).contains("x,y,z is missing"));
        let endless = refuse(&["x,y,z", "x+y,y,z"]);
        assert!(endless.contains("missing"), "{endless}");
    }
}
