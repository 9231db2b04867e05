//! Networks whose residual blocks are ODEs, on top of [`anode_core`]: the networks of ANODE (Gholami, Keutzer and Biros
//! 2019, arXiv 1902.10298), and those of ANODEV2 (Zhang et al. 2019, arXiv 1906.04596), whose weights evolve too.
//!
//! For users who train such networks, or compare gradient methods on them, and need neither experiment files nor
//! reports. Those are in the crate `anode`.
//!
//! # First example
//!
//! The gradient of J = sum of the logits of two images, for a network with one ODE block of two Euler steps.
//!
//! ```
//! use anode_core::gradient::{Ledger, Method};
//! use anode_core::ode::solver;
//! use anode_nets::net::{LayerSpec, NetSpec, Network, SegmentSpec, Solve, Steps};
//!
//! let conv = LayerSpec::Conv { channels: 2, kernel: [3, 3], stride: 1, bias: false };
//! let spec = NetSpec {
//!     input: [1, 4, 4],
//!     segments: vec![
//!         SegmentSpec::Plain(vec![conv, LayerSpec::NormRelu]),
//!         SegmentSpec::Ode(vec![conv, LayerSpec::NormRelu]),
//!         SegmentSpec::Plain(vec![LayerSpec::AveragePool(4), LayerSpec::Linear(3)]),
//!     ],
//! };
//! let network = Network::new(&spec);
//! let theta: Vec<f32> = network.initial(1);
//! let images: Vec<f32> = (0..32).map(|i| (i as f32).sin()).collect();
//!
//! let solve = Solve { tableau: solver("euler").unwrap(), steps: Steps::Fixed(2), method: Method::Anode };
//! let ledger = Ledger::new();
//! let (logits, kept) = network.forward(&images, &theta, solve, &ledger)?;
//! assert_eq!(logits.len(), 2 * 3);
//! let (logits_bar, mut theta_bar) = (vec![1.0; logits.len()], vec![0.0; theta.len()]);
//! network.backward(kept, &theta, &logits_bar, &mut theta_bar, solve, &ledger)?;
//! assert_eq!(ledger.cost().function_evaluations, 2 * 2); // forward sweep and replay
//! # Ok::<(), anode_nets::net::NetworkError>(())
//! ```
//!
//! # Entry points
//!
//! | for | use |
//! |---|---|
//! | a network of the papers: ResNet-4, -10 and -18, SqueezeNext, AlexNet | [`net::network()`], [`net::NETWORKS`] |
//! | another network, as a list of segments | [`net::NetSpec`], [`net::Network`] |
//! | how its ODE blocks are solved and differentiated | [`net::Solve`] |
//! | weights that evolve by a reaction-diffusion-advection equation (ANODEV2) | [`evolution`], [`net::Evolution`] |
//! | the gradient of one block whose weights evolve, in one call | [`evolution::CoupledBlock::gradient`] |
//! | training with checkpoints | [`train::Trainer`] with a [`train::Recipe`] |
//! | CIFAR-10, CIFAR-100, MNIST, folders of images | [`data::Source`] |
//! | reference fields, and scalar problems with known solutions | [`problems`] |
//! | independent streams of random numbers from one seed | [`random`] |
//! | SHA-256, and reading files from outside | [`digest`], [`files`] |
//!
//! # Cost
//!
//! A training step with [`Method::Anode`](anode_core::gradient::Method::Anode) keeps the input of every ODE block, the
//! tapes of the plain layers, and the tapes of one ODE block at a time. It evaluates each block twice. `docs/data.md`
//! compares time and memory with PyTorch, `docs/architecture.md` describes the memory of a step. The crate depends on
//! the other library crates and on dfdx, which computes the loss. With the feature `cuda`, networks train on NVIDIA
//! GPUs.
//!
//! # Papers
//!
//! ANODE: reversal in section 3, gradients in section 4, checkpointing in section 5, the training recipe in section 8.
//! ANODEV2: `docs/evolution.md` has the equations, and our choices for what the paper leaves unspecified.

pub mod data;
pub mod digest;
pub mod evolution;
pub mod files;
pub mod net;
pub mod problems;
pub mod random;
pub mod train;

use anode_core::{gradient, ode};

mod kernels {
    pub use anode_cuda as cuda;
    pub use anode_kernels::*;
}
