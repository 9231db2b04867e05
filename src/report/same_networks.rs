//! Which experiments trained the same networks, and thus are no independent evidence.

use std::collections::BTreeSet;

use crate::record::cell;

use super::document::Piece;
use super::results::{Results, is_empty};

/// The column with the digest of a trained network.
const DIGEST: &str = "parameters_sha256";

/// The trained networks of an experiment, by the digests of their parameters.
pub fn networks(results: &Results) -> BTreeSet<String> {
    let digests = results.rows().iter().filter_map(|row| row.get(DIGEST)).filter(|cell| !is_empty(Some(cell)));
    digests.map(cell).collect()
}

/// For each experiment a paragraph on the others that trained the same networks; `None` if there is none. `each` has
/// the ids of the experiments and their networks.
pub fn in_common(each: &[(String, BTreeSet<String>)]) -> Vec<Option<Piece>> {
    let of = |(id, own): &(String, BTreeSet<String>)| {
        let shared = |(other, networks): &(String, BTreeSet<String>)| {
            let count = own.intersection(networks).count();
            (other != id && count > 0).then(|| format!("{other} ({count})"))
        };
        let others: Vec<String> = each.iter().filter_map(shared).collect();
        let text = format!(
            "some of the {} trained networks are also those of other experiments, with equal digests of the \
             parameters: {}. The results of these experiments are not independent.",
            own.len(),
            others.join(", ")
        );
        (!others.is_empty()).then(|| Piece::Paragraph("Networks in common:".into(), text))
    };
    each.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiments_with_the_same_networks_name_each_other() {
        let set = |digests: &[&str]| digests.iter().map(|digest| (*digest).to_owned()).collect::<BTreeSet<_>>();
        let each = [
            ("a".to_owned(), set(&["1", "2", "3"])),
            ("b".to_owned(), set(&["2", "3"])),
            ("c".to_owned(), set(&["4"])),
        ];
        let texts = in_common(&each).into_iter().map(|piece| match piece {
            Some(Piece::Paragraph(_, text)) => text,
            _ => String::new(),
        });
        let texts: Vec<String> = texts.collect();
        assert!(
            texts[0].starts_with("some of the 3 trained networks") && texts[0].contains(": b (2)."),
            "{}",
            texts[0]
        );
        assert!(
            texts[1].starts_with("some of the 2 trained networks") && texts[1].contains(": a (2)."),
            "{}",
            texts[1]
        );
        assert_eq!(texts[2], "");
    }
}
