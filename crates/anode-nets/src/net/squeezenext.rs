//! SqueezeNext as in the released ANODE code (`SqNxt_23_1x` with two blocks per stage).

use super::spec::{Form, LayerSpec, NetSpec, SegmentSpec};

fn conv(channels: usize, kernel: [usize; 2], stride: usize) -> [LayerSpec; 2] {
    [LayerSpec::Conv { channels, kernel, stride, bias: true }, LayerSpec::NormRelu]
}

/// The five convolutions of a block, 1x1, 1x1, 1x3, 3x1, 1x1, each with batch norm and ReLU; `squeezed` channels
/// inside.
fn bottleneck(squeezed: usize, channels: usize, stride: usize) -> Vec<LayerSpec> {
    [
        conv(squeezed, [1, 1], stride),
        conv(squeezed / 2, [1, 1], 1),
        conv(squeezed, [1, 3], 1),
        conv(squeezed, [3, 1], 1),
        conv(channels, [1, 1], 1),
    ]
    .concat()
}

/// The plain block. Its shortcut ends in a ReLU of its own, as in the released code.
fn plain(inputs: usize, channels: usize, stride: usize) -> SegmentSpec {
    let squeezed = match (stride, inputs > channels) {
        (2, _) => inputs,
        (_, true) => inputs / 4,
        (_, false) => inputs / 2,
    };
    let projected = stride != 1 || inputs != channels;
    let shortcut = if projected { conv(channels, [1, 1], stride).to_vec() } else { vec![LayerSpec::Relu] };
    SegmentSpec::Residual { main: bottleneck(squeezed, channels, stride), shortcut }
}

/// SqueezeNext: stem, four stages of a plain block and a block that keeps its shape, 1x1 convolution, average pool 4,
/// linear. 461,466 parameters at width 64 with 10 classes; the width is a multiple of 8.
pub fn squeezenext(form: Form, width: usize, classes: usize) -> NetSpec {
    let mut segments = vec![SegmentSpec::Plain(conv(width, [3, 3], 1).to_vec())];
    let mut inputs = width;
    for (channels, stride) in [(width / 2, 1), (width, 2), (2 * width, 2), (4 * width, 2)] {
        segments.push(plain(inputs, channels, stride));
        segments.push(match form {
            Form::Baseline => plain(channels, channels, 1),
            Form::Ode => SegmentSpec::Ode(bottleneck(channels / 2, channels, 1)),
        });
        inputs = channels;
    }
    let head = [&conv(2 * width, [1, 1], 1)[..], &[LayerSpec::AveragePool(4), LayerSpec::Linear(classes)]].concat();
    segments.push(SegmentSpec::Plain(head));
    NetSpec { input: [3, 32, 32], segments }
}
