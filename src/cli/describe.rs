//! `anode describe`: a network as a table.

use schemars::JsonSchema;
use serde::Serialize;

use crate::nearest::with_suggestion;
use crate::net::{Form, LayerRow, Network, describe as rows, network, network_names};
use crate::ode::{solver, solver_names};

use super::arguments::{Common, DescribeArguments, FormName};
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json};

/// A network.
#[derive(Serialize, JsonSchema)]
pub struct Described {
    /// Its name.
    net: String,
    /// Channels of its first stage.
    width: usize,
    /// Classes.
    classes: u16,
    /// Solver of the ODE blocks.
    solver: String,
    /// Steps of each ODE block.
    steps: usize,
    /// Parameters.
    parameters: usize,
    /// Multiply-adds of the forward sweep of one image.
    macs: usize,
    /// The layers in the order of evaluation.
    layers: Vec<Layer>,
}

document!(Described, "describe", 1);

/// A layer.
#[derive(Serialize, JsonSchema)]
pub struct Layer {
    /// Its segment, from 0.
    segment: usize,
    /// What the segment is: `layers`, `residual`, `shortcut` or `ode`.
    block: &'static str,
    /// What the layer does.
    layer: String,
    /// Channels, height and width of its output.
    output: [usize; 3],
    /// Its parameters.
    parameters: usize,
    /// Multiply-adds of one image and one evaluation.
    macs: usize,
}

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
        solver(solver_name).map_err(|_| unknown(&format!("unknown solver `{solver_name}`"), solver_names()))?;
    let form = match arguments.form {
        FormName::Ode => Form::Ode,
        FormName::Baseline => Form::Baseline,
    };
    let built = Network::new(&(registered.build)(form, width, usize::from(arguments.classes)));
    let rows = rows(&built);
    let steps = usize::from(arguments.steps);
    let macs = built.macs(tableau.solution_stages(), steps);
    if common.json {
        let layer = |LayerRow { segment, block, layer, output, parameters, macs }| Layer {
            segment,
            block,
            layer,
            output,
            parameters,
            macs,
        };
        print_json(&Described {
            net: name.clone(),
            width,
            classes: arguments.classes,
            solver: solver_name.clone(),
            steps,
            parameters: built.parameter_count(),
            macs,
            layers: rows.into_iter().map(layer).collect(),
        });
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
