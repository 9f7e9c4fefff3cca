//! Is a list closed? Answered with O(n log n) products, and never by completing it.

use std::collections::HashSet;

use super::operation::{MAX_OPERATIONS, Operation};
use crate::error::SymmetryError;

/// Some of the operations, of which all others are products; where they form no group modulo lattice translations, why.
///
/// They are taken greedily from the list; each new one multiplies the subgroup found so far by whole cosets
/// (Dimino), so that a subgroup never grows past the list and the work stays near n log n.
pub fn generators(operations: &[Operation], denominator: i16) -> Result<Vec<Operation>, SymmetryError> {
    let listed: HashSet<Operation> = operations.iter().copied().collect();
    let refuse = |what: String, value: String| SymmetryError {
        message: format!(
            "the {} operation(s) are no group: {what}; list all of them",
            listed.len()
        ),
        value,
    };
    if listed.len() > MAX_OPERATIONS {
        return Err(SymmetryError {
            message: format!("more than {MAX_OPERATIONS} different operations; reduce the cell first"),
            value: listed.len().to_string(),
        });
    }
    if !listed.contains(&Operation::IDENTITY) {
        return Err(refuse("x,y,z is missing".into(), "x,y,z".into()));
    }
    // The product, if it is listed.
    let product = |left: &Operation, right: &Operation| {
        let composed = left.compose(right, denominator);
        if let Some(product) = composed.filter(|product| listed.contains(product)) {
            return Ok(product);
        }
        let (a, b) = (left.to_xyz(denominator), right.to_xyz(denominator));
        Err(match composed.map(|product| product.to_xyz(denominator)) {
            Some(missing) => refuse(format!("{a} after {b} gives {missing}, which is missing"), missing),
            None => refuse(format!("{a} after {b} has entries beyond 127"), a),
        })
    };
    let mut found: HashSet<Operation> = HashSet::with_capacity(listed.len());
    let mut elements = vec![Operation::IDENTITY];
    found.insert(Operation::IDENTITY);
    let mut generators: Vec<Operation> = Vec::new();
    for &candidate in operations {
        if found.contains(&candidate) {
            continue;
        }
        generators.push(candidate);
        let subgroup = elements.len();
        let mut representatives = vec![candidate];
        let mut next = 0;
        while next < representatives.len() {
            let representative = representatives[next];
            next += 1;
            if found.contains(&representative) {
                continue;
            }
            for k in 0..subgroup {
                let product = product(&elements[k], &representative)?;
                if found.insert(product) {
                    elements.push(product);
                }
            }
            for generator in &generators {
                let product = product(&representative, generator)?;
                if !found.contains(&product) {
                    representatives.push(product);
                }
            }
        }
    }
    Ok(generators)
}

#[cfg(test)]
mod tests {
    use crate::symmetry::{Operation, Operations};

    /// Every product of two must be listed: the definition, n^2 of them.
    fn closed_by_definition(list: &Operations) -> bool {
        let all = list.as_slice();
        all.contains(&Operation::IDENTITY)
            && all.iter().all(|a| {
                all.iter().all(|b| {
                    a.compose(b, list.denominator())
                        .is_some_and(|product| all.contains(&product))
                })
            })
    }

    fn check(texts: &[&str], expected: bool) {
        let list = Operations::from_xyz(texts).unwrap();
        assert_eq!(closed_by_definition(&list), expected, "{texts:?}");
        assert_eq!(list.is_group(), expected, "{texts:?}");
    }

    #[test]
    fn closure_agrees_with_the_definition() {
        check(&["x,y,z"], true);
        check(&["-x,-y,-z"], false);
        check(&["x,y,z", "-x,-y,-z"], true);
        check(&["x,y,z", "-y,x-y,z", "-x+y,-x,z"], true);
        check(&["x,y,z", "-y,x-y,z"], false);
        check(&["x,y,z", "-x,y+1/2,-z+1/2", "-x,-y,-z", "x,-y+1/2,z+1/2"], true);
        check(&["x,y,z", "-x,y+1/2,-z+1/2", "-x,-y,-z", "x,-y+1/2,z"], false);
        check(&["x,y,z", "x+y,y,z"], false);
    }

    #[test]
    fn every_subset_of_mmm_is_judged_right() {
        let signs: Vec<String> = (0..8)
            .map(|bits| {
                let sign = |bit: i32| if bits >> bit & 1 == 1 { "-" } else { "" };
                format!("{}x,{}y,{}z", sign(0), sign(1), sign(2))
            })
            .collect();
        for subset in 1u32..256 {
            let texts: Vec<&str> = (0..8)
                .filter(|bit| subset >> bit & 1 == 1)
                .map(|bit| signs[bit].as_str())
                .collect();
            let list = Operations::from_xyz(&texts).unwrap();
            assert_eq!(list.is_group(), closed_by_definition(&list), "{texts:?}");
        }
    }
}
