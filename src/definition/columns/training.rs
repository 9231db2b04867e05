//! Columns of the training study.

use super::{Column, Values, When, Written, column, flag, number};

const MEASURED: When = When::Has("quality_every");
const ADAPTIVE: When = When::Has("tolerances.rtol");
const TEST_BATCH: When = When::Lists("evaluations", "test-batch");
const RECALIBRATED: When = When::Lists("evaluations", "recalibrated");
const PER_EVALUATION: When = When::Lists("evaluations", "per-evaluation");
const RECALIBRATED_AUGMENTED: When = When::Lists("evaluations", "recalibrated-augmented");
const PER_EVALUATION_AUGMENTED: When = When::Lists("evaluations", "per-evaluation-augmented");
const REVERSED: When = When::All(&[When::Has("block_reversal"), When::Is("form", &["ode"])]);
const EVOLVING: When = When::Is("form", &["configuration-1", "configuration-2", "configuration-2-final"]);

/// The training study.
pub const TRAINING: Written = Written { rows: ROWS, steps: STEPS, images: &[] };

const ROWS: &[Column] = &[
    column("data", "name of the data set that was read", Values::Data),
    number("steps_taken", "training steps taken"),
    flag("diverged", "whether training diverged"),
    number("train_loss", "mean training loss over the steps of the last epoch"),
    number("test_loss", "loss on the test images at the end"),
    number("test_accuracy", "share of the test images classified correctly at the end"),
    number("best_test_accuracy", "largest test accuracy at the end of any epoch"),
    number("peak_bytes", "largest peak of snapshots and tapes of a step, bytes"),
    column("parameters_sha256", "SHA-256 of the trained parameters", Values::Text),
    number("seconds", "training time, s"),
    number("test_loss_test_batch", "test loss with the statistics of each test batch of 250, at the end")
        .when(TEST_BATCH),
    number("test_accuracy_test_batch", "test accuracy, likewise").when(TEST_BATCH),
    number("test_loss_recalibrated", "test loss with statistics estimated again, at the end").when(RECALIBRATED),
    number("test_accuracy_recalibrated", "test accuracy, likewise").when(RECALIBRATED),
    number("test_loss_per_evaluation", "test loss with statistics for each evaluation of f, at the end")
        .when(PER_EVALUATION),
    number("test_accuracy_per_evaluation", "test accuracy, likewise").when(PER_EVALUATION),
    number("test_loss_recalibrated_augmented", "test loss with statistics estimated again from altered images")
        .when(RECALIBRATED_AUGMENTED),
    number("test_accuracy_recalibrated_augmented", "test accuracy, likewise").when(RECALIBRATED_AUGMENTED),
    number("test_loss_per_evaluation_augmented", "test loss, likewise for each evaluation of f")
        .when(PER_EVALUATION_AUGMENTED),
    number("test_accuracy_per_evaluation_augmented", "test accuracy, likewise").when(PER_EVALUATION_AUGMENTED),
    number("reversal_error_block_#", "reversal error rho of an ODE block on a fixed batch, at the end").when(REVERSED),
    number("epochs_taken", "epochs taken, with fractions").when(ADAPTIVE),
    number("mean_gradient_error", "mean over the measured steps of `gradient_error`").when(MEASURED),
    number("mean_gradient_cosine", "mean over the measured steps of `gradient_cosine`").when(MEASURED),
    number("mean_reversal_error", "mean over the measured steps of `reversal_error`").when(MEASURED),
    number("mean_solver_steps", "mean over the training steps of `solver_steps`").when(ADAPTIVE),
    number("mean_rejected_steps", "mean over the training steps of `rejected_steps`").when(ADAPTIVE),
    number("mean_back_steps", "mean over the training steps of `back_steps`").when(ADAPTIVE),
    number("mean_back_rejected", "mean over the training steps of `back_rejected`").when(ADAPTIVE),
    number("mean_evaluations", "mean over the training steps of `evaluations`").when(ADAPTIVE),
    number("mean_vjps", "mean over the training steps of `vjps`").when(ADAPTIVE),
];

const STEPS: &[Column] = &[
    number("step", "training step, from 0"),
    number("epoch", "epoch of the step, from 0"),
    number("loss", "loss of the batch before the step"),
    number("accuracy", "share of the batch classified correctly"),
    number("gradient_norm", "2-norm of the gradient"),
    number("learning_rate", "learning rate of the step"),
    number("peak_bytes", "peak of snapshots and tapes, bytes"),
    number("test_loss", "loss on the test images after the last step of an epoch"),
    number("test_accuracy", "share of the test images classified correctly, likewise"),
    number("test_loss_test_batch", "test loss with the statistics of each test batch of 250, at the end of an epoch")
        .when(TEST_BATCH),
    number("test_accuracy_test_batch", "test accuracy, likewise").when(TEST_BATCH),
    number("test_loss_recalibrated", "test loss with statistics estimated again, at the end of an epoch")
        .when(RECALIBRATED),
    number("test_accuracy_recalibrated", "test accuracy, likewise").when(RECALIBRATED),
    number("test_loss_per_evaluation", "test loss with statistics for each evaluation of f, at the end of an epoch")
        .when(PER_EVALUATION),
    number("test_accuracy_per_evaluation", "test accuracy, likewise").when(PER_EVALUATION),
    number("test_loss_recalibrated_augmented", "test loss with statistics estimated again from altered images")
        .when(RECALIBRATED_AUGMENTED),
    number("test_accuracy_recalibrated_augmented", "test accuracy, likewise").when(RECALIBRATED_AUGMENTED),
    number("test_loss_per_evaluation_augmented", "test loss, likewise for each evaluation of f")
        .when(PER_EVALUATION_AUGMENTED),
    number("test_accuracy_per_evaluation_augmented", "test accuracy, likewise").when(PER_EVALUATION_AUGMENTED),
    number("reversal_error_block_#", "reversal error rho of an ODE block on a fixed batch, at the end of an epoch")
        .when(REVERSED),
    number("gradient_error", "relative distance of the reverse-time gradient from the exact one").when(MEASURED),
    number("gradient_cosine", "cosine of the angle between the two").when(MEASURED),
    number("reversal_error", "reversal error rho of all ODE blocks together").when(MEASURED),
    number("solver_steps", "accepted steps of the ODE blocks in the forward sweep").when(ADAPTIVE),
    number("rejected_steps", "rejected steps in the forward sweep").when(ADAPTIVE),
    number("back_steps", "accepted steps of reverse solves in the backward sweep").when(ADAPTIVE),
    number("back_rejected", "rejected steps of reverse solves").when(ADAPTIVE),
    number("evaluations", "evaluations of f in both sweeps").when(ADAPTIVE),
    number("vjps", "vector-Jacobian products of f").when(ADAPTIVE),
    number("segment#.conv#.diffusion", "diffusion d of a convolution's kernels").when(EVOLVING),
    number("segment#.conv#.advection_x", "advection of a convolution's kernels along the width").when(EVOLVING),
    number("segment#.conv#.advection_y", "advection of a convolution's kernels along the height").when(EVOLVING),
    number("segment#.conv#.reaction", "reaction r of a convolution's kernels").when(EVOLVING),
];
