//! The small AlexNet of ANODEV2.

use super::spec::{Form, NetSpec, Part, SegmentSpec};

/// AlexNet for 32x32 images: two 5x5 convolutions with batch norm, ReLU and pooling, three linear layers. 1,756,682
/// parameters at width 64 with 10 classes.
///
/// The second convolution keeps its shape and is the ODE block, f(z) = relu(BN(conv z)). The paper does not say which
/// pooling it uses; this is the maximum, as in the original network.
pub fn alexnet(form: Form, width: usize, classes: usize) -> NetSpec {
    let conv = || vec![Part::Conv { channels: width, kernel: [5, 5], stride: 1, bias: true }, Part::NormRelu];
    let first = [conv(), vec![Part::MaxPool(2)]].concat();
    let second = match form {
        Form::Baseline => SegmentSpec::Plain(conv()),
        Form::Ode => SegmentSpec::Ode(conv()),
    };
    let head = [Part::MaxPool(2), Part::Linear(6 * width), Part::Relu, Part::Linear(3 * width), Part::Relu];
    let head = [&head[..], &[Part::Linear(classes)]].concat();
    NetSpec { input: [3, 32, 32], segments: vec![SegmentSpec::Plain(first), second, SegmentSpec::Plain(head)] }
}
