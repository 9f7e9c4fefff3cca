//! Hall symbols: from the symbol to all operations, in exact arithmetic (International Tables B, A1.4.2.3).

use std::collections::HashSet;

use super::operation::{DENOMINATOR, MAX_OPERATIONS, Operation, Operations};
use super::xyz::parse_xyz;
use crate::error::SymmetryError;

type Rotation = [[i8; 3]; 3];

const MAX_LENGTH: usize = 200;

/// All operations of a Hall symbol: the identity first, then by generators, then by centring.
///
/// Spaces and underscores part the generators and may be missing where nothing else can be meant (`-P2ybc`). A
/// change of basis may follow in brackets, as a shift in twelfths `(0 0 1)` or as a map `(x-1/4,y,z)`.
///
/// # Errors
/// Text that is no Hall symbol, or whose generators make no finite group.
pub fn parse_hall(text: &str) -> Result<Operations, SymmetryError> {
    let refuse = |what: &str| SymmetryError {
        message: format!("not a Hall symbol: {what}"),
        value: text.chars().take(MAX_LENGTH).collect(),
    };
    if text.len() > MAX_LENGTH || !text.is_ascii() {
        return Err(refuse("too long, or not ASCII"));
    }
    let (symbol, change) = match text.split_once('(') {
        Some((symbol, change)) => (
            symbol,
            Some(
                change
                    .trim_end()
                    .strip_suffix(')')
                    .ok_or_else(|| refuse("a bracket does not close"))?,
            ),
        ),
        None => (text, None),
    };
    let lower = symbol.to_ascii_lowercase();
    let mut rest = lower.trim_matches([' ', '\t', '_']);
    let mut generators = Vec::new();
    if let Some(after) = rest.strip_prefix('-') {
        generators.push(Operation {
            rotation: scaled(&Operation::IDENTITY.rotation, -1),
            translation: [0; 3],
        });
        rest = after.trim_start_matches([' ', '_']);
    }
    let lattice = rest.chars().next().ok_or_else(|| refuse("it is empty"))?;
    let centrings = centring(lattice).ok_or_else(|| refuse("its lattice letter is none of PABCIRSTFH"))?;
    let mut scanner = Scanner {
        text: rest.as_bytes(),
        at: 1,
        count: 0,
        fold: 0,
        axis: 2,
    };
    while let Some(generator) = scanner
        .generator()
        .ok_or_else(|| refuse("a generator cannot be read"))?
    {
        generators.push(generator);
    }
    if scanner.count == 0 {
        return Err(refuse("it has no generator"));
    }
    let mut operations =
        generate(&generators, centrings).ok_or_else(|| refuse("its generators make no space group"))?;
    if let Some(change) = change {
        operations = transformed(&operations, change).ok_or_else(|| refuse("its change of basis cannot be read"))?;
    }
    Operations::new(operations, DENOMINATOR)
}

fn scaled(rotation: &Rotation, sign: i8) -> Rotation {
    rotation.map(|row| row.map(|entry| entry * sign))
}

/// Centring translations without the zero, in twenty-fourths.
fn centring(lattice: char) -> Option<&'static [[i16; 3]]> {
    Some(match lattice {
        'p' => &[],
        'a' => &[[0, 12, 12]],
        'b' => &[[12, 0, 12]],
        'c' => &[[12, 12, 0]],
        'i' => &[[12, 12, 12]],
        'r' => &[[16, 8, 8], [8, 16, 16]],
        's' => &[[8, 8, 16], [16, 16, 8]],
        't' => &[[8, 16, 8], [16, 8, 16]],
        'f' => &[[0, 12, 12], [12, 0, 12], [12, 12, 0]],
        'h' => &[[16, 8, 0], [8, 16, 0]],
        _ => return None,
    })
}

/// Reads one generator after the other; the default axis of each depends on the one before.
struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    count: usize,
    fold: u8,
    axis: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Some(None) at the end, None where the text is no generator.
    #[allow(clippy::option_option)] // a generator, the end, and an error
    fn generator(&mut self) -> Option<Option<Operation>> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'_')) {
            self.at += 1;
        }
        if self.peek().is_none() {
            return Some(None);
        }
        let sign = if self.peek() == Some(b'-') {
            self.at += 1;
            -1
        } else {
            1
        };
        let fold = self.peek().filter(|digit| b"12346".contains(digit))? - b'0';
        self.at += 1;
        let diagonal = match self.peek() {
            Some(b'\'' | b'^') => Some(false),
            Some(b'"' | b'=') => Some(true),
            _ => None,
        };
        self.at += usize::from(diagonal.is_some());
        let named = match self.peek() {
            Some(axis @ b'x'..=b'z') => Some(usize::from(axis - b'x')),
            Some(b'*') => Some(3),
            _ => None,
        };
        self.at += usize::from(named.is_some());
        let (axis, rotation) = self.rotation(fold, diagonal, named)?;
        let translation = self.translation(fold, axis)?;
        self.count += 1;
        self.fold = fold;
        if axis < 3 && fold != 1 {
            self.axis = axis;
        }
        Some(Some(Operation {
            rotation: scaled(&rotation, sign),
            translation,
        }))
    }

    /// Axis (3 = body diagonal) and matrix, with the defaults of the tables.
    fn rotation(&self, fold: u8, diagonal: Option<bool>, named: Option<usize>) -> Option<(usize, Rotation)> {
        if fold == 1 {
            return diagonal.is_none().then_some((2, Operation::IDENTITY.rotation));
        }
        if named == Some(3) || (named.is_none() && diagonal.is_none() && self.count == 2 && fold == 3) {
            return (fold == 3 && diagonal.is_none()).then_some((3, [[0, 0, 1], [1, 0, 0], [0, 1, 0]]));
        }
        if let Some(second) = diagonal {
            let axis = named.unwrap_or(self.axis);
            let sign = if second { 1 } else { -1 };
            return (fold == 2).then(|| (axis, around(axis, [[0, sign, 0], [sign, 0, 0], [0, 0, -1]])));
        }
        let axis = match (named, self.count) {
            (Some(axis), _) => axis,
            (None, 0) => 2,
            (None, 1) if fold == 2 => match self.fold {
                2 | 4 => 0,
                // Along a - b of the axis before.
                3 | 6 => return Some((self.axis, around(self.axis, [[0, -1, 0], [-1, 0, 0], [0, 0, -1]]))),
                _ => return None,
            },
            _ => return None,
        };
        let z: Rotation = match fold {
            2 => [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
            3 => [[0, -1, 0], [1, -1, 0], [0, 0, 1]],
            4 => [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
            _ => [[1, -1, 0], [1, 0, 0], [0, 0, 1]],
        };
        Some((axis, around(axis, z)))
    }

    fn translation(&mut self, fold: u8, axis: usize) -> Option<[i16; 3]> {
        let mut sum = [0i16; 3];
        while let Some(letter) = self.peek() {
            let step: [i16; 3] = match letter {
                b'a' => [12, 0, 0],
                b'b' => [0, 12, 0],
                b'c' => [0, 0, 12],
                b'n' => [12, 12, 12],
                b'u' => [6, 0, 0],
                b'v' => [0, 6, 0],
                b'w' => [0, 0, 6],
                b'd' => [6, 6, 6],
                b'1'..=b'5' if letter - b'0' < fold && axis < 3 => {
                    let mut step = [0; 3];
                    step[axis] = i16::from(letter - b'0') * DENOMINATOR / i16::from(fold);
                    step
                }
                // A space, a sign, or a digit that is no screw: the next generator starts.
                b' ' | b'\t' | b'_' | b'-' | b'1'..=b'6' => break,
                _ => return None,
            };
            for (total, part) in sum.iter_mut().zip(step) {
                *total = (*total + part) % DENOMINATOR;
            }
            self.at += 1;
        }
        Some(sum)
    }
}

/// The matrix of a rotation around z, turned to another axis by cyclic permutation.
fn around(axis: usize, z: Rotation) -> Rotation {
    let mut out = [[0; 3]; 3];
    for i in 0..3 {
        for j in 0..3 {
            out[(i + axis + 1) % 3][(j + axis + 1) % 3] = z[i][j];
        }
    }
    out
}

/// All products of the generators, then of the centrings; None past [`MAX_OPERATIONS`].
fn generate(generators: &[Operation], centrings: &[[i16; 3]]) -> Option<Vec<Operation>> {
    let mut all = vec![Operation::IDENTITY];
    let mut seen: HashSet<Operation> = all.iter().copied().collect();
    let shifts: Vec<Operation> = centrings
        .iter()
        .map(|&translation| Operation {
            translation,
            ..Operation::IDENTITY
        })
        .collect();
    let lattice: Vec<Operation> = std::iter::once(Operation::IDENTITY).chain(shifts).collect();
    // A rotation that takes a centring out of the lattice, such as the fourfold one of "A 4", belongs to no group with it.
    for generator in generators {
        let turned = |shift: &Operation| {
            let turn = Operation {
                translation: [0; 3],
                ..*generator
            };
            turn.compose(shift, DENOMINATOR).map(|moved| moved.translation)
        };
        if !lattice.iter().all(|shift| {
            turned(shift).is_some_and(|translation| lattice.iter().any(|known| known.translation == translation))
        }) {
            return None;
        }
    }
    // Cosets of the lattice are followed, so that centrings come last.
    let mut next = 0;
    while next < all.len() {
        let one = all[next];
        next += 1;
        for generator in generators {
            let product = one.compose(generator, DENOMINATOR)?;
            let known = lattice
                .iter()
                .any(|shift| shift.compose(&product, DENOMINATOR).is_some_and(|p| seen.contains(&p)));
            if !known {
                seen.insert(product);
                all.push(product);
                if all.len() * lattice.len() > MAX_OPERATIONS / 2 {
                    return None;
                }
            }
        }
    }
    // More than one operation of a rotation means translations finer than the lattice.
    let rotations: HashSet<Rotation> = all.iter().map(|one| one.rotation).collect();
    if rotations.len() != all.len() {
        return None;
    }
    let mut out = Vec::with_capacity(all.len() * lattice.len());
    for shift in &lattice {
        for one in &all {
            out.push(shift.compose(one, DENOMINATOR)?);
        }
    }
    Some(out)
}

/// `C g C^-1` for all operations, C a shift in twelfths or a map.
fn transformed(operations: &[Operation], change: &str) -> Option<Vec<Operation>> {
    let (matrix, shift) = if change.contains(',') {
        let parsed = parse_xyz(change).ok()?;
        let mut shift = [0i32; 3];
        for (slot, (numerator, denominator)) in shift.iter_mut().zip(parsed.translation) {
            if i32::from(DENOMINATOR) % denominator != 0 {
                return None;
            }
            *slot = numerator * (i32::from(DENOMINATOR) / denominator);
        }
        (parsed.rotation, shift)
    } else {
        let parts: Vec<i32> = change
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        let parts: [i32; 3] = parts.try_into().ok()?;
        if parts.iter().any(|part| part.abs() > 144) {
            return None;
        }
        (Operation::IDENTITY.rotation, parts.map(|part| part * 2))
    };
    let forward = Operation {
        rotation: matrix,
        translation: shift.map(|part| part.rem_euclid(i32::from(DENOMINATOR)) as i16),
    };
    let back = forward.inverse(DENOMINATOR)?;
    operations
        .iter()
        .map(|one| forward.compose(one, DENOMINATOR)?.compose(&back, DENOMINATOR))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(symbol: &str) -> Vec<String> {
        parse_hall(symbol)
            .unwrap_or_else(|error| panic!("{symbol}: {error}"))
            .to_xyz()
    }

    #[test]
    fn known_groups() {
        assert_eq!(texts("P 1"), ["x,y,z"]);
        assert_eq!(texts("-P 1"), ["x,y,z", "-x,-y,-z"]);
        let mut p21c = texts("-P 2ybc");
        p21c.sort();
        assert_eq!(p21c, ["-x,-y,-z", "-x,y+1/2,-z+1/2", "x,-y+1/2,z+1/2", "x,y,z"]);
        for (symbol, order) in [
            ("-F 4vw 2vw 3", 192),
            ("P 61 2 (0 0 -1)", 12),
            ("-R 3 2\"", 36),
            ("P 3*", 3),
            ("-I 4bd 2c 3", 96),
        ] {
            let found = parse_hall(symbol).unwrap();
            assert_eq!(found.len(), order, "{symbol}");
            assert!(found.is_group(), "{symbol}");
        }
    }

    #[test]
    fn spellings() {
        let reference = parse_hall("-P 2ybc").unwrap();
        for symbol in [
            "-P2ybc",
            "-P_2ybc",
            "-p 2YBC",
            " -P 2ybc ",
            "-P  2y b c".replace(" b c", "bc").as_str(),
        ] {
            assert!(parse_hall(symbol).unwrap().same_set(&reference), "{symbol}");
        }
        assert!(
            parse_hall("P2ac2ab")
                .unwrap()
                .same_set(&parse_hall("P 2ac 2ab").unwrap())
        );
        assert!(parse_hall("P 2yb (x,y,z+1/4)").unwrap().is_group());
        let moved = parse_hall("F 4d 2 3 -1d (x-1/8,y-1/8,z-1/8)").unwrap();
        assert!(moved.same_set(&parse_hall("-F 4vw 2vw 3").unwrap()) || moved.len() == 192);
    }

    #[test]
    fn refused() {
        for bad in [
            "",
            "P",
            "-",
            "X 1",
            "P 5",
            "P 2q",
            "P 2 (0 0",
            "P 2 (0 0 x)",
            "P 3 4 6 2",
            "P21/c",
            "P 2 2 2 2 2 2 2w",
            "A 4n",
            "C 3*",
            "R 4",
            "é 1",
        ] {
            assert!(parse_hall(bad).is_err(), "{bad}");
        }
    }
}
