//! The small AlexNet of ANODEV2.

use super::spec::{Form, LayerSpec, NetSpec, SegmentSpec};

/// AlexNet for 32x32 images: two 5x5 convolutions with batch norm, ReLU and pooling, three linear layers. 1,756,682
/// parameters at width 64 with 10 classes.
///
/// The second convolution keeps its shape and is the ODE block, f(z) = relu(BN(conv z)). The paper does not say which
/// pooling it uses; this is the maximum, as in the original network.
pub fn alexnet(form: Form, width: usize, classes: usize) -> NetSpec {
    let conv = || vec![LayerSpec::Conv { channels: width, kernel: [5, 5], stride: 1, bias: true }, LayerSpec::NormRelu];
    let first = [conv(), vec![LayerSpec::MaxPool(2)]].concat();
    let second = match form {
        Form::Baseline => SegmentSpec::Plain(conv()),
        Form::Ode => SegmentSpec::Ode(conv()),
    };
    let head = [
        LayerSpec::MaxPool(2),
        LayerSpec::Linear(6 * width),
        LayerSpec::Relu,
        LayerSpec::Linear(3 * width),
        LayerSpec::Relu,
    ];
    let head = [&head[..], &[LayerSpec::Linear(classes)]].concat();
    NetSpec { input: [3, 32, 32], segments: vec![SegmentSpec::Plain(first), second, SegmentSpec::Plain(head)] }
}
