//! `anode describe`: a network as a table.

use serde_json::json;

use crate::nearest::with_suggestion;
use crate::net::{Form, LayerRow, Network, describe as rows, network, network_names};
use crate::ode::{solver, solver_names};

use super::arguments::{Common, DescribeArguments, FormName};
use super::error::CliError;
use super::output::{print, print_json};

/// `anode describe`
///
/// # Errors
/// An unknown network or solver, a width that cannot be built.
pub fn describe(common: &Common, arguments: &DescribeArguments) -> Result<(), CliError> {
    let name = &arguments.net;
    let unknown = |what: &str, allowed: Vec<&str>| {
        CliError::Usage(with_suggestion(&format!("{what}; allowed: {}", allowed.join(", "))))
    };
    let registered = network(name).ok_or_else(|| unknown(&format!("unknown network `{name}`"), network_names()))?;
    let width = arguments.width.map_or(registered.width, usize::from);
    if !width.is_multiple_of(registered.width_unit) {
        let unit = registered.width_unit;
        return Err(CliError::Usage(format!("--width {width}; allowed for {name}: multiples of {unit}")));
    }
    let solver_name = &arguments.solver;
    let tableau =
        solver(solver_name).ok_or_else(|| unknown(&format!("unknown solver `{solver_name}`"), solver_names()))?;
    let form = match arguments.form {
        FormName::Ode => Form::Ode,
        FormName::Baseline => Form::Baseline,
    };
    let built = Network::new(&(registered.build)(form, width, usize::from(arguments.classes)));
    let rows = rows(&built);
    let steps = usize::from(arguments.steps);
    let macs = built.macs(tableau.solution_stages(), steps);
    if common.json {
        let layers: Vec<_> = rows
            .iter()
            .map(|r| {
                json!({ "segment": r.segment, "block": r.block, "layer": r.layer, "output": r.output,
                        "parameters": r.parameters, "macs": r.macs })
            })
            .collect();
        let (parameters, classes) = (built.parameter_count(), arguments.classes);
        print_json(&json!({ "net": name, "width": width, "classes": classes, "solver": solver_name, "steps": steps,
                            "parameters": parameters, "macs": macs, "layers": layers }));
        return Ok(());
    }
    print(&format!(
        "{:<8} {:<9} {:<24} {:<12} {:>12} {:>14}",
        "segment", "block", "layer", "output", "parameters", "MACs"
    ));
    rows.iter().for_each(|row| print(&line(row)));
    let parameters = built.parameter_count();
    print(&format!("{name}, width {width}: {} parameters", grouped(parameters)));
    let blocks = rows.iter().filter(|r| r.block == "ode").map(|r| r.segment).collect::<std::collections::BTreeSet<_>>();
    let how = match blocks.len() {
        0 => "no ODE block".into(),
        n => format!("{n} ODE block{}, {solver_name}, Nt = {steps}", if n == 1 { "" } else { "s" }),
    };
    print(&format!("forward sweep of one image: {} MACs ({how})", grouped(macs)));
    Ok(())
}

fn line(row: &LayerRow) -> String {
    let [c, h, w] = row.output;
    let LayerRow { segment, block, layer, .. } = row;
    let (parameters, macs) = (grouped(row.parameters), grouped(row.macs));
    format!("{segment:<8} {block:<9} {layer:<24} {:<12} {parameters:>12} {macs:>14}", format!("{c}x{h}x{w}"))
}

/// Digits in groups of three.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let first = digits.len() % 3;
    let (head, tail) = digits.split_at(first);
    let groups = tail.as_bytes().chunks(3).map(|g| String::from_utf8_lossy(g).into_owned());
    let head = (!head.is_empty()).then(|| head.to_owned());
    head.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}
