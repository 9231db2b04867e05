//! Networks as data: lists of segments, each a list of layers.

use super::error::NetworkError;

/// A layer of a definition. Its input shape is the output shape of the layer before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerSpec {
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
    Plain(Vec<LayerSpec>),
    /// relu(main(x) + shortcut(x)); no shortcut layers: the identity.
    Residual {
        /// The layers of the main path.
        main: Vec<LayerSpec>,
        /// The layers of the shortcut, which end in the same shape.
        shortcut: Vec<LayerSpec>,
    },
    /// An ODE block: the layers are f in dz/dt = f(z, theta) on t in [0, 1].
    Ode(Vec<LayerSpec>),
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetSpec {
    /// Channels, height and width of an image.
    pub input: [usize; 3],
    /// The stretches, from the image to the logits.
    pub segments: Vec<SegmentSpec>,
}

impl LayerSpec {
    /// Channels, height and width of the output for an input of this shape.
    ///
    /// # Errors
    /// What is wrong, if the layer cannot follow this shape.
    fn output(self, [channels, height, width]: [usize; 3]) -> Result<[usize; 3], String> {
        match self {
            Self::Conv { channels: 0, .. } | Self::Linear(0) => Err("has no outputs".into()),
            Self::Conv { stride: 0, .. } => Err("has a stride of 0".into()),
            Self::Conv { kernel, .. } if kernel.iter().any(|side| side % 2 == 0) => {
                Err(format!("has a kernel of {kernel:?}; allowed: odd sides"))
            }
            Self::Conv { channels, kernel, stride, .. } => {
                let size = |size: usize, kernel: usize| {
                    let padded = size + 2 * (kernel / 2);
                    padded.checked_sub(kernel).map(|places| places / stride + 1)
                };
                match (size(height, kernel[0]), size(width, kernel[1])) {
                    (Some(height), Some(width)) => Ok([channels, height, width]),
                    _ => Err(format!("has a kernel of {kernel:?}, larger than the padded image of {height} x {width}")),
                }
            }
            Self::AveragePool(window) | Self::MaxPool(window) => {
                let tiles = |size: usize| window > 0 && size.is_multiple_of(window);
                if tiles(height) && tiles(width) {
                    Ok([channels, height / window, width / window])
                } else {
                    Err(format!("has windows of {window} x {window}, which do not tile images of {height} x {width}"))
                }
            }
            Self::Linear(outputs) => Ok([outputs, 1, 1]),
            Self::Norm | Self::NormRelu | Self::Relu => Ok([channels, height, width]),
        }
    }
}

impl NetSpec {
    /// Compares the shapes of the layers: each must take the output of the one before, an ODE block must keep the shape
    /// of its input, and both paths of a residual block must end in one shape.
    ///
    /// # Errors
    /// [`NetworkError::Spec`] with the first segment that does not fit.
    pub fn check(&self) -> Result<(), NetworkError> {
        let wrong = |segment, why| NetworkError::Spec { segment, why };
        if self.input.contains(&0) {
            return Err(wrong(0, format!("has images of {:?}", self.input)));
        }
        let mut input = self.input;
        for (i, segment) in self.segments.iter().enumerate() {
            let ends = |parts: &[LayerSpec]| {
                parts.iter().enumerate().try_fold(input, |shape, (layer, part)| {
                    part.output(shape).map_err(|why| wrong(i, format!("layer {layer}, {part:?}, {why}")))
                })
            };
            input = match segment {
                SegmentSpec::Plain(parts) => ends(parts)?,
                SegmentSpec::Ode(parts) => match ends(parts)? {
                    output if output == input => output,
                    output => return Err(wrong(i, format!("is an ODE block from {input:?} to {output:?}"))),
                },
                SegmentSpec::Residual { main, shortcut } => match (ends(main)?, ends(shortcut)?) {
                    (main, shortcut) if main == shortcut => main,
                    (main, shortcut) => {
                        let why =
                            format!("has a main path that ends in {main:?} and a shortcut that ends in {shortcut:?}");
                        return Err(wrong(i, why));
                    }
                },
            };
        }
        Ok(())
    }
}

/// Which form the blocks that keep their shape have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
