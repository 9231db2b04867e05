//! What computes the convolutions of a GPU, by the name that stands on the command line and in records.

use super::cudnn::Freedom;

/// What computes the convolutions of a GPU. The choices round differently, so a run's id contains the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Convolver {
    /// Our own kernels.
    Own,
    /// cuDNN.
    Cudnn(Freedom),
}

impl Convolver {
    /// Every choice.
    pub const ALL: [Self; 4] =
        [Self::Own, Self::Cudnn(Freedom::Exact), Self::Cudnn(Freedom::Tf32), Self::Cudnn(Freedom::Fast)];

    /// The name of a device with these convolutions, on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "cuda-own",
            Self::Cudnn(Freedom::Exact) => "cuda-cudnn",
            Self::Cudnn(Freedom::Tf32) => "cuda-tf32",
            Self::Cudnn(Freedom::Fast) => "cuda-fast",
        }
    }

    /// The choice with this [`name`](Self::name).
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|convolver| convolver.name() == name)
    }
}
