//! Names similar to one that is not allowed, for error messages.

/// More names than this help nobody.
const MOST: usize = 3;
/// A longer name is no misspelling; comparing it would cost its length times that of every name.
const LONGEST: usize = 100;

/// The allowed names most similar to `found`, at most three, the most similar first: by edit distance without regard to
/// case, where a longer name that contains `found` counts as one edit away, shorter ones first.
pub fn nearest<'a>(found: &str, allowed: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let found = found.to_lowercase();
    let distance = |name: &str| {
        let name = name.to_lowercase();
        match found.chars().count() {
            0 | LONGEST.. => usize::MAX,
            _ if name == found => 0,
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

/// The end of a message about a name that is not allowed, if one of the allowed names is a misspelling of it: ``; did
/// you mean `a`?`` A name that shares no character with it is none.
pub fn did_you_mean<'a>(found: &str, allowed: impl IntoIterator<Item = &'a str>) -> String {
    let lower = found.to_lowercase();
    let length = lower.chars().count();
    let most = if length > 5 { 3 } else { 2 };
    let is_close = |name: &&str| {
        let name = name.to_lowercase();
        let edits = || strsim::osa_distance(&lower, &name);
        let shorter = length.min(name.chars().count());
        length < LONGEST && edits() <= most && (name.contains(&lower) || edits() < shorter)
    };
    let near = nearest(found, allowed).into_iter().find(is_close);
    near.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// A message about a name that is not allowed, followed by the allowed name that it is a misspelling of, if there is
/// one and the message does not suggest one itself. The message names the wrong one first after the word unknown, in
/// backquotes: ``unknown field `a`, expected `b` or `c` ``, ``unknown solver `a`; allowed: b, c``.
pub fn with_suggestion(message: &str) -> String {
    let parts = || {
        if message.contains("did you mean") {
            return None;
        }
        let (_, rest) = message.split_once("unknown ")?.1.split_once('`')?;
        rest.split_once('`').filter(|(_, allowed)| allowed.contains("expected") || allowed.contains("allowed"))
    };
    let Some((found, allowed)) = parts() else { return message.to_owned() };
    // A parser adds where it found the name.
    let allowed = allowed.split(" at line ").next().unwrap_or_default();
    let words = allowed.split([',', ' ', '`', ';']).map(|word| word.trim_end_matches(':'));
    let words = words.filter(|word| !word.is_empty());
    let words = words.filter(|word| !["expected", "allowed", "or", "one", "of"].contains(word) && *word != found);
    let names: Vec<&str> = words.collect();
    message.to_owned() + &did_you_mean(found, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_completed_by_a_misspelt_name_and_by_no_other() {
        let field = "unknown field `epoch`, expected one of `epochs`, `batch`, `net`";
        assert_eq!(with_suggestion(field), format!("{field}; did you mean `epochs`?"));
        let solver = "unknown solver `rk44`; allowed: euler, rk4";
        assert_eq!(with_suggestion(solver), format!("{solver}; did you mean `rk4`?"));
        let method = "unknown gradient method `revolve`; allowed: full, revolve:M";
        assert_eq!(with_suggestion(method), format!("{method}; did you mean `revolve:M`?"));
        let method = "gradient method `revolve:0`: M must be at least 1; allowed: full, revolve:M";
        assert_eq!(with_suggestion(method), method);
        let value = format!("`\"rk44\"`: {solver}");
        assert_eq!(with_suggestion(&value), format!("{value}; did you mean `rk4`?"));
        let solver = "unknown solver `RK4`; allowed: euler, rk3, rk4";
        assert_eq!(with_suggestion(solver), format!("{solver}; did you mean `rk4`?"));
        let told = "unknown solver `rk45`; allowed: rk4, dormand-prince; did you mean `dormand-prince`?";
        assert_eq!(with_suggestion(told), told);
        let source = "unknown variant `Z`, expected one of `S`, `C`, `F`";
        assert_eq!(with_suggestion(source), source);
        assert_eq!(did_you_mean("f", ["S", "F"]), "; did you mean `F`?");
        assert_eq!(did_you_mean("7", ["0", "10"]), "");
        assert_eq!(did_you_mean("nt", ["dt", "Nt"]), "; did you mean `Nt`?");
        for other in ["unknown solver `colour`; allowed: euler, rk4", "missing field `net`", "`", "unknown `"] {
            assert_eq!(with_suggestion(other), other);
        }
        assert_eq!(did_you_mean(&"x".repeat(1_000_000), ["x"]), "");
    }

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
