//! A network as a table: its layers with shapes, parameters and multiply-adds.

use super::layer::{Kind, Layer};
use super::network::Network;
use super::segment::Segment;

/// A layer of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerRow {
    /// Index of the layer's segment, from 0.
    pub segment: usize,
    /// Kind of the segment: `layers`, `residual`, `shortcut` or `ode`.
    pub block: &'static str,
    /// Description of the layer, such as its kernel and stride.
    pub layer: String,
    /// Channels, height and width of its output.
    pub output: [usize; 3],
    /// Number of parameters of the layer.
    pub parameters: usize,
    /// Multiply-adds of one image and one evaluation.
    pub macs: usize,
}

/// The layers in the order of evaluation.
pub fn describe(network: &Network) -> Vec<LayerRow> {
    let mut rows = vec![];
    for (segment, built) in network.segments().iter().enumerate() {
        let mut add = |block, layers: &[Layer]| rows.extend(layers.iter().map(|layer| row(segment, block, layer)));
        match built {
            Segment::Plain(chain) => add("layers", chain.layers()),
            Segment::Ode(chain, _) => add("ode", chain.layers()),
            Segment::Residual(block) => {
                add("residual", block.main.layers());
                add("shortcut", block.shortcut.layers());
            }
        }
    }
    rows
}

fn row(segment: usize, block: &'static str, layer: &Layer) -> LayerRow {
    let name = match layer.kind {
        Kind::Conv { shape, bias } => {
            let [height, width] = shape.kernel;
            let stride = if shape.stride == 1 { String::new() } else { format!(", stride {}", shape.stride) };
            format!("conv {height}x{width}{stride}{}", if bias { ", bias" } else { "" })
        }
        Kind::Norm { relu: true, .. } => "batch norm, ReLU".into(),
        Kind::Norm { .. } => "batch norm".into(),
        Kind::Relu => "ReLU".into(),
        Kind::AveragePool(shape) => format!("average pool {}", shape.window),
        Kind::MaxPool(shape) => format!("max pool {}", shape.window),
        Kind::Linear { .. } => "linear".into(),
    };
    let (parameters, macs) = (layer.range.len(), layer.macs());
    LayerRow { segment, block, layer: name, output: layer.output, parameters, macs }
}
