//! Paths in JSON documents, which contain only Unicode.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

/// Serializes a path, or a list of paths, as text. Bytes that are no Unicode become replacement characters, where serde
/// itself would fail after a command did its work.
///
/// # Errors
/// Those of the serializer.
pub fn as_text<P: AsText, S: Serializer>(paths: &P, serializer: S) -> Result<S::Ok, S::Error> {
    paths.as_text().serialize(serializer)
}

/// What contains paths.
pub trait AsText {
    /// The same with texts for paths.
    type Text: Serialize;

    /// Converts the paths.
    fn as_text(&self) -> Self::Text;
}

impl AsText for PathBuf {
    type Text = String;

    fn as_text(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

impl<P: AsText> AsText for Vec<P> {
    type Text = Vec<P::Text>;

    fn as_text(&self) -> Self::Text {
        self.iter().map(P::as_text).collect()
    }
}

impl<P: AsText> AsText for Option<P> {
    type Text = Option<P::Text>;

    fn as_text(&self) -> Self::Text {
        self.as_ref().map(P::as_text)
    }
}

/// A path, and what belongs to it.
impl<P: AsText, T: Serialize + Clone> AsText for (P, T) {
    type Text = (P::Text, T);

    fn as_text(&self) -> Self::Text {
        (self.0.as_text(), self.1.clone())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use schemars::{JsonSchema, schema_for};
    use serde_json::json;

    use super::*;

    #[derive(Serialize, JsonSchema)]
    struct Document {
        #[serde(serialize_with = "as_text")]
        one: PathBuf,
        #[serde(serialize_with = "as_text")]
        none: Option<PathBuf>,
        #[serde(serialize_with = "as_text")]
        sizes: Vec<(PathBuf, u64)>,
    }

    #[test]
    fn bytes_that_are_no_unicode_are_replaced() {
        let path = PathBuf::from(OsStr::from_bytes(b"a\xff/b"));
        let document = Document { one: path.clone(), none: None, sizes: vec![(path, 3)] };
        let expected = json!({ "one": "a\u{fffd}/b", "none": null, "sizes": [["a\u{fffd}/b", 3]] });
        assert_eq!(serde_json::to_value(&document).unwrap(), expected);
        assert_eq!(schema_for!(Document).as_value()["properties"]["one"]["type"], "string");
    }
}
