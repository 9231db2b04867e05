//! The residual networks: ResNet-18 of the released ANODE code, ResNet-4 and ResNet-10 of ANODEV2.

use super::spec::{Form, LayerSpec, NetSpec, SegmentSpec};

fn conv(channels: usize, kernel: usize, stride: usize) -> LayerSpec {
    LayerSpec::Conv { channels, kernel: [kernel, kernel], stride, bias: false }
}

fn stem(channels: usize) -> SegmentSpec {
    SegmentSpec::Plain(vec![conv(channels, 3, 1), LayerSpec::NormRelu])
}

/// The basic block: conv-BN-ReLU-conv-BN plus shortcut, then ReLU. Where the shape changes, the shortcut is a 1x1
/// convolution with batch norm.
fn basic(channels: usize, stride: usize, projected: bool) -> SegmentSpec {
    let shortcut = if projected { vec![conv(channels, 1, stride), LayerSpec::Norm] } else { vec![] };
    let main = vec![conv(channels, 3, stride), LayerSpec::NormRelu, conv(channels, 3, 1), LayerSpec::Norm];
    SegmentSpec::Residual { main, shortcut }
}

/// The block that keeps its shape: the basic block, or the ODE block whose f is conv-BN-ReLU-conv-BN-ReLU without skip
/// (the addition is the solver's).
fn block(form: Form, channels: usize) -> SegmentSpec {
    match form {
        Form::Baseline => basic(channels, 1, false),
        Form::Ode => {
            SegmentSpec::Ode(vec![conv(channels, 3, 1), LayerSpec::NormRelu, conv(channels, 3, 1), LayerSpec::NormRelu])
        }
    }
}

fn head(window: usize, classes: usize) -> SegmentSpec {
    SegmentSpec::Plain(vec![LayerSpec::AveragePool(window), LayerSpec::Linear(classes)])
}

/// ResNet-4 (ANODEV2, section 4 of the experiments): stem, one block at 32x32, average pool 8, linear. 7,706 parameters
/// at width 16 with 10 classes.
pub fn resnet4(form: Form, width: usize, classes: usize) -> NetSpec {
    NetSpec { input: [3, 32, 32], segments: vec![stem(width), block(form, width), head(8, classes)] }
}

/// ResNet-10 (ANODEV2): two stages of a basic block and a block that keeps its shape, which is the ODE block; average
/// pool 8, linear. 44,186 parameters at width 16 with 10 classes. Which blocks are ODE blocks is not known from the
/// paper; the second of each stage is this project's choice.
pub fn resnet10(form: Form, width: usize, classes: usize) -> NetSpec {
    let segments = vec![
        stem(width),
        basic(width, 1, false),
        block(form, width),
        basic(2 * width, 2, true),
        block(form, 2 * width),
        head(8, classes),
    ];
    NetSpec { input: [3, 32, 32], segments }
}

/// ResNet-18 as in the released ANODE code: four stages of a basic block and a block that keeps its shape. 11,173,962
/// parameters at width 64 with 10 classes.
pub fn resnet18(form: Form, width: usize, classes: usize) -> NetSpec {
    let mut segments = vec![stem(width), basic(width, 1, false), block(form, width)];
    for channels in [2 * width, 4 * width, 8 * width] {
        segments.extend([basic(channels, 2, true), block(form, channels)]);
    }
    segments.push(head(4, classes));
    NetSpec { input: [3, 32, 32], segments }
}
