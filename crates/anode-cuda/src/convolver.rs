//! What computes the convolutions of a GPU, by the name that stands on the command line and in records.

use super::cudnn::Freedom;

/// What computes the convolutions of a GPU. Each gives other bits, so a run's id holds the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convolver {
    /// Our own kernels.
    Own,
    /// cuDNN.
    Cudnn(Freedom),
}

impl Convolver {
    /// All.
    pub const ALL: [Self; 4] =
        [Self::Own, Self::Cudnn(Freedom::Exact), Self::Cudnn(Freedom::Tf32), Self::Cudnn(Freedom::Fast)];

    /// The name of a device that computes so: the one in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "cuda-own",
            Self::Cudnn(Freedom::Exact) => "cuda-cudnn",
            Self::Cudnn(Freedom::Tf32) => "cuda-tf32",
            Self::Cudnn(Freedom::Fast) => "cuda-fast",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|convolver| convolver.name() == name)
    }
}
