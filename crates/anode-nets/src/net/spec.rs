//! Networks as data: lists of segments, each a list of layers.

/// A layer, by what it does; its shapes follow from where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Convolution that keeps height and width at stride 1.
    Conv {
        /// Output channels.
        channels: usize,
        /// Kernel height and width, odd.
        kernel: [usize; 2],
        /// Stride, both ways.
        stride: usize,
        /// Whether a bias is added. It decides the initial values too, as in the released code.
        bias: bool,
    },
    /// Batch norm.
    Norm,
    /// Batch norm, then ReLU.
    NormRelu,
    /// ReLU alone.
    Relu,
    /// Average over windows of this side that tile the image.
    AveragePool(usize),
    /// Maximum over windows of this side that tile the image.
    MaxPool(usize),
    /// Fully connected layer with bias.
    Linear(usize),
}

/// A stretch of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentSpec {
    /// Layers one after the other.
    Plain(Vec<Part>),
    /// relu(main(x) + shortcut(x)); no shortcut layers: the identity.
    Residual {
        /// The layers of the main path.
        main: Vec<Part>,
        /// The layers of the shortcut, which end in the same shape.
        shortcut: Vec<Part>,
    },
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

/// What the blocks that keep their shape are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// ODE blocks.
    #[default]
    Ode,
    /// The ordinary blocks of the network that the paper compares with.
    Baseline,
}

/// A registered network: its name, the channels of its first stage, and how it is built from a width and a number of
/// classes.
pub struct Registered {
    /// Name in definitions.
    pub name: &'static str,
    /// Channels of the first stage in the paper.
    pub width: usize,
    /// The widths that can be built are the multiples of this one.
    pub width_unit: usize,
    /// Builds the network.
    pub build: fn(form: Form, width: usize, classes: usize) -> NetSpec,
}

/// Every registered network.
pub static NETWORKS: &[Registered] = &[
    Registered { name: "resnet4", width: 16, width_unit: 1, build: super::resnet::resnet4 },
    Registered { name: "resnet10", width: 16, width_unit: 1, build: super::resnet::resnet10 },
    Registered { name: "resnet18", width: 64, width_unit: 1, build: super::resnet::resnet18 },
    Registered { name: "sqnxt", width: 64, width_unit: 8, build: super::squeezenext::squeezenext },
    Registered { name: "alexnet", width: 64, width_unit: 1, build: super::alexnet::alexnet },
];

/// The network of this name.
pub fn network(name: &str) -> Option<&'static Registered> {
    NETWORKS.iter().find(|n| n.name == name)
}

/// The names of all networks.
pub fn network_names() -> Vec<&'static str> {
    NETWORKS.iter().map(|n| n.name).collect()
}
