//! Names similar to one that is not allowed, for error messages.

/// More names than this help nobody.
const MOST: usize = 3;
/// A longer name is no misspelling; comparing it would cost its length times that of every name.
const LONGEST: usize = 100;

/// The allowed names most similar to `found`, at most three, the most similar first: by edit distance, where a name
/// that contains `found` counts as one edit away, shorter ones first.
pub fn nearest<'a>(found: &str, allowed: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let found = found.to_lowercase();
    let distance = |name: &str| {
        let name = name.to_lowercase();
        match found.chars().count() {
            0 | LONGEST.. => usize::MAX,
            _ if name.contains(&found) => 1,
            _ => strsim::osa_distance(&found, &name),
        }
    };
    let mut names: Vec<_> = allowed.into_iter().map(|name| (distance(name), name.len(), name)).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().take(MOST).map(|(_, _, name)| name).collect()
}

/// The nearest names as the end of a message: ``; nearest: `a`, `b` ``. Empty if there is none.
pub fn nearest_in_words<'a>(found: &str, allowed: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = nearest(found, allowed).into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { String::new() } else { format!("; nearest: {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first_and_each_once() {
        let allowed = ["rho", "error_z0", "error_W", "reference_error_W", "error_W", "loss"];
        assert_eq!(nearest("eror_W", allowed)[..2], ["error_W", "error_z0"]);
        assert_eq!(nearest("error_w", allowed)[..2], ["error_W", "reference_error_W"]);
        assert_eq!(nearest_in_words("rhoo", ["rho"]), "; nearest: `rho`");
        assert_eq!(nearest_in_words("rho", []), "");
        assert_eq!(nearest(&"x".repeat(1_000_000), allowed).len(), 3);
    }
}
