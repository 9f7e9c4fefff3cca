//! The tags that the reader asks for, each with a number, so that a block is searched once and not per question.

use std::sync::OnceLock;

/// Place of a tag in [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(pub u8);

impl Tag {
    /// The tag in lower case.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }
}

macro_rules! tags {
    ($($name:ident = $text:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)] // named like the constants they number
        #[repr(u8)]
        enum Place { $($name),* }
        $(pub(super) const $name: Tag = Tag(Place::$name as u8);)*
        /// Names in lower case. The last are written by almost every program and used by none: known here, they are
        /// not hashed as strangers.
        pub(super) const NAMES: &[&str] = &[$($text,)* "_chemical_formula_structural", "_space_group_symop_id",
            "_symmetry_equiv_pos_site_id"];
    };
}

// Names with points are those of later dictionaries; symmetry under such a name must not be overlooked.
tags! {
    CELL_A = "_cell_length_a";
    CELL_B = "_cell_length_b";
    CELL_C = "_cell_length_c";
    CELL_ALPHA = "_cell_angle_alpha";
    CELL_BETA = "_cell_angle_beta";
    CELL_GAMMA = "_cell_angle_gamma";
    CELL_VOLUME = "_cell_volume";
    CELL_Z = "_cell_formula_units_z";
    POINTED_CELL_A = "_cell.length_a";
    FORMULA = "_chemical_formula_sum";
    DENSITY = "_exptl_crystal_density_diffrn";
    DENSITY_MEASURED = "_exptl_crystal_density_meas";
    X = "_atom_site_fract_x";
    Y = "_atom_site_fract_y";
    Z = "_atom_site_fract_z";
    CARTN_X = "_atom_site_cartn_x";
    POINTED_X = "_atom_site.fract_x";
    POINTED_CARTN_X = "_atom_site.cartn_x";
    LABEL = "_atom_site_label";
    SITE_ID = "_atom_site_id";
    SYMBOL = "_atom_site_type_symbol";
    OCCUPANCY = "_atom_site_occupancy";
    U_ISO = "_atom_site_u_iso_or_equiv";
    B_ISO = "_atom_site_b_iso_or_equiv";
    MULTIPLICITY = "_atom_site_symmetry_multiplicity";
    MULTIPLICITY_LATER = "_atom_site_site_symmetry_multiplicity";
    SITE_ORDER = "_atom_site_site_symmetry_order";
    CALC_FLAG = "_atom_site_calc_flag";
    HYDROGENS = "_atom_site_attached_hydrogens";
    DISORDER_GROUP = "_atom_site_disorder_group";
    DISORDER_ASSEMBLY = "_atom_site_disorder_assembly";
    ANISO_LABEL = "_atom_site_aniso_label";
    U_11 = "_atom_site_aniso_u_11";
    U_22 = "_atom_site_aniso_u_22";
    U_33 = "_atom_site_aniso_u_33";
    U_23 = "_atom_site_aniso_u_23";
    U_13 = "_atom_site_aniso_u_13";
    U_12 = "_atom_site_aniso_u_12";
    B_11 = "_atom_site_aniso_b_11";
    B_22 = "_atom_site_aniso_b_22";
    B_33 = "_atom_site_aniso_b_33";
    B_23 = "_atom_site_aniso_b_23";
    B_13 = "_atom_site_aniso_b_13";
    B_12 = "_atom_site_aniso_b_12";
    TYPE_SYMBOL = "_atom_type_symbol";
    OXIDATION = "_atom_type_oxidation_number";
    OPERATION = "_space_group_symop_operation_xyz";
    OPERATION_OLD = "_symmetry_equiv_pos_as_xyz";
    POINTED_OPERATION = "_space_group_symop.operation_xyz";
    POINTED_OPERATION_OLD = "_symmetry_equiv.pos_as_xyz";
    HALL = "_space_group_name_hall";
    HALL_OLD = "_symmetry_space_group_name_hall";
    POINTED_HALL = "_space_group.name_hall";
    POINTED_HALL_OLD = "_symmetry.space_group_name_hall";
    HM = "_space_group_name_h-m_alt";
    HM_OLD = "_symmetry_space_group_name_h-m";
    HM_FULL = "_space_group_name_h-m_full";
    HM_REF = "_space_group_name_h-m_ref";
    POINTED_HM = "_space_group.name_h-m_alt";
    POINTED_HM_OLD = "_symmetry.space_group_name_h-m";
    NUMBER = "_space_group_it_number";
    NUMBER_OLD = "_symmetry_int_tables_number";
    POINTED_NUMBER = "_space_group.it_number";
    POINTED_NUMBER_OLD = "_symmetry.int_tables_number";
    MAGNETIC_A = "_space_group_symop_magn_operation_xyz";
    MAGNETIC_B = "_space_group_symop_magn_operation.xyz";
    MAGNETIC_C = "_space_group_magn_symop_operation_xyz";
    MAGNETIC_D = "_space_group_symop.magn_operation_xyz";
    CENTERING_A = "_space_group_symop_magn_centering_xyz";
    CENTERING_B = "_space_group_symop_magn_centering.xyz";
    CENTERING_C = "_space_group_magn_symop_centering_xyz";
    CENTERING_D = "_space_group_symop.magn_centering_xyz";
    MAGNETIC_BNS_A = "_space_group_magn.number_bns";
    MAGNETIC_BNS_B = "_space_group_magn_number_bns";
    MAGNETIC_BNS_C = "_space_group.magn_number_bns";
    PARENT_HM_A = "_parent_space_group.name_h-m_alt";
    PARENT_HM_B = "_parent_space_group_name_h-m_alt";
    SSG_NAME = "_space_group_ssg_name";
    MAGNETIC_SSG_A = "_space_group_symop_magn_ssg_operation.algebraic";
    MAGNETIC_SSG_B = "_space_group_symop_magn_ssg_operation_algebraic";
    SSG_CENTERING_A = "_space_group_symop_magn_ssg_centering.algebraic";
    SSG_CENTERING_B = "_space_group_symop_magn_ssg_centering_algebraic";
    MODULATION_A = "_cell_modulation_dimension";
    MODULATION_B = "_cell.modulation_dimension";
    SSG_A = "_space_group_symop_ssg_operation_algebraic";
    SSG_B = "_space_group_symop_ssg_operation.algebraic";
}

/// How many tags are known.
pub(super) const COUNT: usize = NAMES.len();
const SLOTS: usize = 512;
const FREE: u8 = u8::MAX;

fn hash(tag: &[u8]) -> usize {
    let mut hash = tag.len() as u64;
    let mut mix = |word: u64| {
        // Setting one bit makes upper case lower case; what else it makes equal is told apart by comparing.
        hash = (hash ^ (word | 0x2020_2020_2020_2020)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    };
    for chunk in tag.as_chunks::<8>().0 {
        mix(u64::from_le_bytes(*chunk));
    }
    // Some of it again; no known tag is shorter.
    mix(tag.last_chunk().map_or(0, |last| u64::from_le_bytes(*last)));
    (hash >> 40) as usize % SLOTS
}

/// Finds the number of a tag.
pub(super) struct Index([u8; SLOTS]);

/// The index of all known tags.
pub(super) fn index() -> &'static Index {
    static INDEX: OnceLock<Index> = OnceLock::new();
    INDEX.get_or_init(|| {
        let mut slots = [FREE; SLOTS];
        for (name, place) in NAMES.iter().zip(0u8..) {
            let mut slot = hash(name.as_bytes());
            while slots[slot] != FREE {
                slot = (slot + 1) % SLOTS;
            }
            slots[slot] = place;
        }
        Index(slots)
    })
}

impl Index {
    /// The number of a tag, whatever its case.
    #[inline]
    pub fn find(&self, tag: &[u8]) -> Option<Tag> {
        let mut slot = hash(tag);
        while self.0[slot] != FREE {
            let place = self.0[slot];
            let name = NAMES[usize::from(place)].as_bytes();
            if name == tag || name.eq_ignore_ascii_case(tag) {
                return Some(Tag(place));
            }
            slot = (slot + 1) % SLOTS;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for (name, place) in NAMES.iter().zip(0u8..) {
            assert_eq!(name.to_ascii_lowercase(), *name);
            assert_eq!(index().find(name.as_bytes()), Some(Tag(place)));
            assert_eq!(index().find(name.to_ascii_uppercase().as_bytes()), Some(Tag(place)));
        }
        for other in ["", "_", "_cell_length_d", "_cell_length", "\u{7f}cell_length_a"] {
            assert_eq!(index().find(other.as_bytes()), None);
        }
        assert_eq!(
            (X.name(), OXIDATION.name()),
            ("_atom_site_fract_x", "_atom_type_oxidation_number")
        );
    }
}
