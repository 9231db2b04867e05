//! Whose statistics batch norm uses when a trained network is evaluated, and how they are estimated again.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::kernels::Device;
use crate::ode::Real;

use super::chain::Chain;
use super::error::NetworkError;
use super::network::Network;
use super::ode_field::Mode;
use super::segment::Segment;
use super::solve::Solve;

/// Which statistics batch norm uses in an evaluation. No mode changes the network that is evaluated.
///
/// [`Network::recalibrated`] estimates statistics again. Scale and shift stay shared. In training, every evaluation of
/// an ODE block normalises with its own batch, so separate statistics match training unless it alters its images. A
/// network that was trained with altered images loses about three points of accuracy with statistics of unaltered ones.
/// The released code has the shared statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[cfg_attr(
    feature = "serde",
    schemars(
        rename = "EvaluationName",
        description = "Which statistics batch norm uses in an evaluation on the test images in addition to that with \
            the running\nstatistics. In modes that estimate statistics again, this is done with the first 10,000 \
            training images in batches\nof 250, each with the same weight; norms outside ODE blocks are included. The \
            images are unaltered except in the\nmodes whose names end in `augmented`."
    )
)]
#[non_exhaustive]
pub enum EvaluationMode {
    /// The running statistics, as trained.
    // Every training run evaluates with them, so settings name only the other modes.
    #[cfg_attr(feature = "serde", serde(skip_deserializing))]
    Running,
    /// Those of the test batch of 250 images: a diagnostic, since a prediction depends on the other images of its
    /// batch.
    TestBatch,
    /// Statistics estimated again, shared by all evaluations of an ODE block.
    Recalibrated,
    /// Statistics estimated again, separate for each step and stage of an ODE block; needs fixed steps.
    PerEvaluation,
    /// As `recalibrated`, with images that are cropped and mirrored at random: for networks trained with `augment`.
    RecalibratedAugmented,
    /// As `per-evaluation`, with images that are cropped and mirrored at random.
    PerEvaluationAugmented,
}

/// A name that is no evaluation mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown evaluation mode `{0}`; allowed: {list}", list = modes())]
pub struct UnknownMode(String);

impl EvaluationMode {
    /// Every mode.
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::TestBatch,
        Self::Recalibrated,
        Self::PerEvaluation,
        Self::RecalibratedAugmented,
        Self::PerEvaluationAugmented,
    ];

    /// The name of the mode in settings, in columns and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::TestBatch => "test-batch",
            Self::Recalibrated => "recalibrated",
            Self::PerEvaluation => "per-evaluation",
            Self::RecalibratedAugmented => "recalibrated-augmented",
            Self::PerEvaluationAugmented => "per-evaluation-augmented",
        }
    }

    /// Whether statistics are estimated again from images that are cropped and mirrored at random.
    pub const fn is_augmented(self) -> bool {
        matches!(self, Self::RecalibratedAugmented | Self::PerEvaluationAugmented)
    }

    /// Whether each step and stage of an ODE block has its own statistics, which needs fixed steps.
    pub const fn is_per_evaluation(self) -> bool {
        matches!(self, Self::PerEvaluation | Self::PerEvaluationAugmented)
    }
}

impl fmt::Display for EvaluationMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EvaluationMode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        Self::ALL.into_iter().find(|mode| mode.name() == name).ok_or_else(|| UnknownMode(name.to_owned()))
    }
}

fn modes() -> String {
    EvaluationMode::ALL.map(EvaluationMode::name).join(", ")
}

impl<D: Device> Network<D> {
    /// This network with separate running statistics for each step and stage of every ODE block of `solve`. Scale and
    /// shift stay shared. The statistics that the network has already keep their places and values; the others stand
    /// behind them and start at mean 0 and variance 1.
    ///
    /// # Errors
    /// Adaptive steps, which have no fixed evaluations.
    pub fn with_statistics_per_evaluation(&self, solve: Solve) -> Result<Self, NetworkError> {
        let steps = solve.steps.count().ok_or(NetworkError::NoFixedEvaluations)?;
        let evaluations = (steps, solve.tableau.solution_stages());
        let mut statistics = self.shared_statistics();
        let segments = self.segments_with(|chain| {
            let mut end = statistics.len();
            let chain = chain.with_statistics_per_evaluation(evaluations, &mut end);
            start(&chain, statistics.len(), &mut statistics);
            chain
        });
        Ok(self.with(self.device.clone(), segments, statistics))
    }

    /// This network with one set of running statistics for each batch norm with its own scale and shift: the released
    /// code's. Those of the first evaluation are kept.
    pub fn with_shared_statistics(&self) -> Self {
        let segments = self.segments_with(Chain::with_shared_statistics);
        self.with(self.device.clone(), segments, self.shared_statistics())
    }

    /// A copy whose running statistics are estimated again at `theta`: the plain average over `batches`, and over the
    /// evaluations that share them, of each batch's mean and unbiased variance (PyTorch's with momentum `None`). Every
    /// batch is normalised with itself. Norms outside ODE blocks are estimated again too. `per_evaluation`: separate
    /// statistics for each step and stage; else the shared ones. Without any batch, means are 0 and variances 0.
    ///
    /// # Errors
    /// A forward sweep that fails; `per_evaluation` with adaptive steps.
    pub fn recalibrated<R: Real>(
        &self,
        per_evaluation: bool,
        theta: &D::Buffer<R>,
        solve: Solve,
        batches: impl IntoIterator<Item = Vec<R>>,
    ) -> Result<Self, NetworkError> {
        let network = match per_evaluation {
            true => self.with_statistics_per_evaluation(solve)?,
            false => self.with_shared_statistics(),
        };
        network.set_statistics(&vec![0.0; network.statistics().len()])?;
        for images in batches {
            network.walk(&self.device.upload(images), theta, solve, Mode::Averaging, |_, _, _, _| {})?;
        }
        self.device.synchronize()?;
        Ok(network)
    }

    /// Logits of a batch, normalised with the statistics of the batch itself ([`EvaluationMode::TestBatch`]). Waits.
    ///
    /// # Errors
    /// See [`NetworkError`].
    pub fn evaluate_batch<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
    ) -> Result<Vec<R>, NetworkError> {
        self.logits(images, theta, solve, Mode::Watching)
    }

    /// Number of ODE blocks with constant weights, whose reversibility error can be measured.
    pub fn reversible_blocks(&self) -> usize {
        self.segments.iter().filter(|segment| matches!(segment, Segment::Ode(_, None))).count()
    }

    /// The segments with another chain in each ODE block.
    fn segments_with(&self, mut change: impl FnMut(&Chain) -> Chain) -> Vec<Segment> {
        let of = |segment: &Segment| match segment {
            Segment::Ode(chain, evolving) => Segment::Ode(Arc::new(change(chain)), evolving.clone()),
            other => other.clone(),
        };
        self.segments.iter().map(of).collect()
    }

    /// The statistics without those of later evaluations, which stand behind them.
    fn shared_statistics(&self) -> Vec<f64> {
        let end = |segment: &Segment| match segment {
            Segment::Plain(chain) => chain.statistics_end(),
            Segment::Residual(block) => block.main.statistics_end().max(block.shortcut.statistics_end()),
            Segment::Ode(chain, _) => chain.with_shared_statistics().statistics_end(),
        };
        let mut statistics = self.statistics();
        statistics.truncate(self.segments.iter().map(end).max().unwrap_or(0));
        statistics
    }
}

/// Extends `statistics` by the initial ones of the norms of `chain` that stand from `from` on.
fn start(chain: &Chain, from: usize, statistics: &mut Vec<f64>) {
    for (place, channels) in chain.statistics_places().filter(|(place, _)| *place >= from) {
        statistics.resize(place + channels, 0.0);
        statistics.resize(place + 2 * channels, 1.0);
    }
}
