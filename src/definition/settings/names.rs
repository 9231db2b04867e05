//! Names that other rooms register, checked where a definition is read.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{gradient, net, ode};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $known:expr, $meant:expr, $allowed:expr, $schema:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = String;
            fn try_from(name: String) -> Result<Self, String> {
                let known: fn(&str) -> bool = $known;
                if known(&name) {
                    return Ok(Self(name));
                }
                let meant: fn(&str) -> Option<&'static str> = $meant;
                let hint = meant(&name).map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
                Err(format!("unknown {} `{name}`; allowed: {}{hint}", $what, $allowed))
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

name!(
    /// A registered solver.
    SolverName,
    "solver",
    |name| ode::SOLVERS.iter().any(|t| t.name == name),
    // A run has one name for its solver, so that its id does not depend on the spelling.
    |alias| ode::solver(&alias.to_lowercase()).ok().map(|t| t.name),
    ode::solver_names().join(", "),
    json_schema!({ "type": "string", "enum": ode::solver_names() })
);

impl MethodName {
    /// dfdx's own full tape, an oracle for dense fields.
    pub const TAPE: &'static str = "dfdx-tape";

    fn regex() -> String {
        let methods = gradient::METHODS.iter().map(|descriptor| descriptor.regex());
        format!("^({})$", methods.chain([Self::TAPE.to_owned()]).collect::<Vec<_>>().join("|"))
    }
}

name!(
    /// A gradient method, with its number of snapshots where it takes one: `revolve:3`.
    MethodName,
    "gradient method",
    |name| name == MethodName::TAPE || name.parse::<gradient::Method>().is_ok(),
    |_| None,
    format!("{}, {}", gradient::pattern_list(|_| true), MethodName::TAPE),
    json_schema!({ "type": "string", "pattern": MethodName::regex() })
);

name!(
    /// A registered network.
    NetName,
    "network",
    |name| net::network(name).is_some(),
    |_| None,
    net::network_names().join(", "),
    json_schema!({ "type": "string", "enum": net::network_names() })
);

impl From<gradient::Method> for MethodName {
    fn from(method: gradient::Method) -> Self {
        Self(method.to_string())
    }
}
