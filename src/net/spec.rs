//! Networks as data: lists of segments, each a list of layers.

/// A layer, by what it does; its shapes follow from where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Convolution without bias that keeps height and width at stride 1.
    Conv {
        /// Output channels.
        channels: usize,
        /// Kernel height and width, odd.
        kernel: [usize; 2],
        /// Stride.
        stride: usize,
    },
    /// Batch norm, then ReLU.
    NormRelu,
    /// Average over windows of this side.
    AveragePool(usize),
    /// Fully connected layer with bias.
    Linear(usize),
}

/// A stretch of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentSpec {
    /// Layers one after the other.
    Plain(Vec<Part>),
    /// An ODE block: the layers are f in dz/dt = f(z, theta) on t in [0, 1].
    Ode(Vec<Part>),
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetSpec {
    /// Channels, height and width of an image.
    pub input: [usize; 3],
    /// The stretches, from the image to the logits.
    pub segments: Vec<SegmentSpec>,
}

/// A registered network: its name, the channels of its first stage, and how it is built from a width and a number of
/// classes.
pub struct Registered {
    /// Name in definitions.
    pub name: &'static str,
    /// Channels of the first stage in the paper.
    pub width: usize,
    /// Builds the network.
    pub build: fn(width: usize, classes: usize) -> NetSpec,
}

/// Every registered network.
pub static NETWORKS: &[Registered] = &[Registered { name: "resnet4", width: 16, build: resnet4 }];

/// The network of this name.
pub fn network(name: &str) -> Option<&'static Registered> {
    NETWORKS.iter().find(|n| n.name == name)
}

/// The names of all networks.
pub fn network_names() -> Vec<&'static str> {
    NETWORKS.iter().map(|n| n.name).collect()
}

/// conv 3x3, batch norm, ReLU.
fn conv3(channels: usize) -> [Part; 2] {
    [Part::Conv { channels, kernel: [3, 3], stride: 1 }, Part::NormRelu]
}

/// ResNet-4 of ANODEV2, section 4 of the experiments: 7,706 parameters at width 16 with 10 classes.
///
/// Stem conv-BN-ReLU, one ODE block at 32x32, average pool 8, linear. The block's function is that of the released
/// ANODE code, conv-BN-ReLU-conv-BN-ReLU without skip; the addition is the solver's.
fn resnet4(width: usize, classes: usize) -> NetSpec {
    NetSpec {
        input: [3, 32, 32],
        segments: vec![
            SegmentSpec::Plain(conv3(width).to_vec()),
            SegmentSpec::Ode([conv3(width), conv3(width)].concat()),
            SegmentSpec::Plain(vec![Part::AveragePool(8), Part::Linear(classes)]),
        ],
    }
}
