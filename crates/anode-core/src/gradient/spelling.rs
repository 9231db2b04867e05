//! How gradient methods are written: `anode`, `revolve:3`, `within:64MiB`.

use std::fmt;
use std::str::FromStr;

use super::bytes::{format_bytes, parse_bytes};
use super::{Adjoint, Argument, METHODS, Method};

/// A name that is no gradient method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}; allowed: {list}", refusal(.0), list = pattern_list(|_| true))]
pub struct UnknownMethod(String);

/// Why a text is no gradient method.
fn refusal(text: &str) -> String {
    if let Some(argument) = zero_argument(text) {
        return format!("gradient method `{text}`: {argument} must be at least 1");
    }
    let (name, number) = text.split_once(':').unwrap_or((text, ""));
    let argument = METHODS.iter().find(|descriptor| descriptor.name == name).map(|descriptor| descriptor.argument);
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    match argument {
        Some(Argument::Snapshots) if digits && number.parse::<usize>().is_err() => {
            format!("gradient method `{text}`: M must be at most {}", usize::MAX)
        }
        Some(Argument::Bytes) if !number.is_empty() => {
            let spelled = parse_bytes(number).map(|bytes| format!(", here {name}:{}", format_bytes(bytes)));
            let unit = "BYTES must be a whole number with the unit B, KiB, MiB or GiB, the largest that makes it whole";
            format!("gradient method `{text}`: {unit}{}", spelled.unwrap_or_default())
        }
        _ => format!("unknown gradient method `{text}`"),
    }
}

/// The name of the argument, `M` or `BYTES`, if a text is a method with the argument 0.
fn zero_argument(text: &str) -> Option<&'static str> {
    let (name, number) = text.split_once(':')?;
    let (argument, digits) = match METHODS.iter().find(|descriptor| descriptor.name == name)?.argument {
        Argument::None => return None,
        Argument::Snapshots => ("M", number),
        Argument::Bytes => ("BYTES", number.trim_end_matches(|c: char| c.is_ascii_alphabetic())),
    };
    (digits.parse::<usize>() == Ok(0)).then_some(argument)
}

/// How each registered method that is `wanted` is written; `M` is a number of snapshots, at least 1, `BYTES` a number
/// with the unit B, KiB, MiB or GiB, the largest that makes it whole.
pub fn patterns(wanted: impl Fn(Method) -> bool) -> Vec<String> {
    let example = |argument| (argument != Argument::None).then_some(1);
    let method = |name, argument| Method::named(name, example(argument));
    METHODS.iter().filter(|f| method(f.name, f.argument).is_some_and(&wanted)).map(|f| f.pattern()).collect()
}

/// The [`patterns`] in one string, separated by commas, for messages.
pub fn pattern_list(wanted: impl Fn(Method) -> bool) -> String {
    patterns(wanted).join(", ")
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let (name, number) = text.split_once(':').map_or((text, None), |(name, number)| (name, Some(number)));
        let descriptor = METHODS.iter().find(|descriptor| descriptor.name == name);
        let number = descriptor.and_then(|descriptor| match (descriptor.argument, number) {
            (Argument::None, None) => Some(None),
            (Argument::Snapshots, Some(number)) => number.parse().ok().filter(|m| *m > 0).map(Some),
            (Argument::Bytes, Some(number)) => parse_bytes(number).map(Some),
            _ => None,
        });
        // One spelling of each method, since a run's id hashes the text.
        let method = number.and_then(|number| Self::named(name, number)).filter(|method| method.to_string() == text);
        method.ok_or_else(|| UnknownMethod(text.to_owned()))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let descriptor = self.descriptor();
        f.write_str(descriptor.name)?;
        match (descriptor.argument, self.number()) {
            (Argument::Bytes, Some(bytes)) => write!(f, ":{}", format_bytes(bytes)),
            (_, Some(number)) => write!(f, ":{number}"),
            (_, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_one_spelling() {
        for name in ["full", "anode", "uniform:3", "revolve:12", "online:4", "within:64MiB", "within:1025B", "leapfrog"]
        {
            assert_eq!(name.parse::<Method>().map(|m| m.to_string()), Ok(name.to_owned()));
        }
        assert_eq!("within:3KiB".parse(), Ok(Method::Within(3072)));
        let wrong =
            ["Full", "revolve", "revolve:0", "revolve:01", "within:1024B", "within:0B", "within:5", "within:5kB"];
        for name in wrong.into_iter().chain(["within:99999999999999999999B", "within:99999999999GiB", "anode:2", ""]) {
            let text = name.parse::<Method>().unwrap_err().to_string();
            assert!(text.contains(&format!("`{name}`")) && text.contains("revolve:M"), "{text}");
        }
        let text = |name: &str| name.parse::<Method>().unwrap_err().to_string();
        assert!(text("revolve:0").starts_with("gradient method `revolve:0`: M must be at least 1; allowed: full, "));
        assert!(text("within:0KiB").starts_with("gradient method `within:0KiB`: BYTES must be at least 1; allowed: "));
        let unit = text("within:1024B");
        assert!(unit.contains("a whole number with the unit B, KiB") && unit.contains(", here within:1KiB; allowed:"));
        assert!(text("within:1000").contains(", here within:1000B;") && !text("within:x").contains("here"));
        assert!(text("revolve:99999999999999999999").contains("M must be at most 1844"));
        for name in ["revolve", "revolve:", "revolve:x", "revolve:01", "revolve:-1", "within:", "anode:0", "x:0"] {
            assert!(text(name).starts_with(&format!("unknown gradient method `{name}`; allowed: ")), "{name}");
        }
    }
}
