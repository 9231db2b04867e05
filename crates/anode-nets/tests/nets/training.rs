//! Training: the same bits for every exact method and across interruptions, honest data, sound checkpoints.

use std::sync::Arc;

use anode_core::gradient::{Ledger, Method};
use anode_core::ode::{SolveError, solver};
use anode_kernels::{Descent, descend};
use anode_nets::data::{Alteration, DataSet, Images, SYNTHETIC_DIGEST, shuffled, synthetic};
use anode_nets::evolution::{Evaluation, Law, Memory, Terms};
use anode_nets::net::{
    EvaluationMode, Evolution, Form, LayerSpec, NetSpec, Network, NetworkError, SegmentSpec, Sharing, Solve, Steps,
    WeightStepping, network,
};
use anode_nets::train::{
    Learner, PastSteps, Rate, Recipe, StepError, TrainError, Trainer, evaluate, recalibration_images, remove, resume,
    save,
};
use dfdx::optim::{Momentum, SgdConfig, WeightDecay};
use dfdx::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn recipe(method: Method) -> Recipe {
    Recipe {
        solve: Solve { tableau: solver("euler").unwrap(), steps: Steps::Fixed(2), method },
        epochs: 4,
        batch: 12,
        learning_rate: 0.05,
        rate: Rate::Drops(vec![0.5]),
        momentum: 0.9,
        weight_decay: 5e-4,
        momentum_restart: false,
        augment: true,
        random_error: None,
        seed: 7,
    }
}

fn data(images: usize) -> Arc<DataSet> {
    let mut set = synthetic();
    set.train.truncate(images);
    set.test.truncate(40);
    Arc::new(set)
}

fn trainer(method: Method) -> Trainer {
    Trainer::new(Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 4, 10)), data(60), recipe(method))
        .unwrap()
}

fn bits(trainer: &Trainer) -> Vec<u32> {
    trainer.theta().iter().map(|x| x.to_bits()).collect()
}

#[test]
fn full_storage_and_every_schedule_train_to_the_same_bits() {
    let train = |method| {
        let mut trainer = trainer(method);
        let losses: Vec<u64> = (0..20).map(|_| trainer.step().unwrap().loss.to_bits()).collect();
        (losses, bits(&trainer))
    };
    let full = train(Method::Full);
    for method in [Method::Anode, Method::Uniform(2), Method::Revolve(1)] {
        assert!(train(method) == full, "{method}");
    }
    assert!(train(Method::ReverseTime) != full, "the reverse-time gradient is another one");
}

#[test]
fn an_interrupted_training_goes_on_with_the_same_bits() {
    let mut undisturbed = trainer(Method::Anode);
    for _ in 0..13 {
        undisturbed.step().unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let mut current = trainer(Method::Anode);
    for step in 0..13 {
        if [3, 5, 10].contains(&step) {
            let origins = (step > 3).then(|| format!("another machine from step {step} on"));
            let past = PastSteps { seconds: 1.5, log: Some("digest".into()), origins };
            save(&current, folder.path(), "run", &past).unwrap();
            current = trainer(Method::Anode);
            let found = resume(&mut current, folder.path(), "run", |_, log| log == Some("digest"));
            assert_eq!((found, current.next_step()), (Some(past), step));
        }
        current.step().unwrap();
    }
    assert!(bits(&current) == bits(&undisturbed));
    assert_eq!(current.evaluate().unwrap(), undisturbed.evaluate().unwrap(), "running statistics too");
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = trainer(Method::Anode);
    for _ in 0..2 {
        first.step().unwrap();
        save(&first, folder.path(), "run", &PastSteps::default()).unwrap();
    }
    let newest = folder.path().join("checkpoint.safetensors");
    let sound = std::fs::read(&newest).unwrap();
    let taken_up = |bytes: &[u8], fingerprint: &str| {
        std::fs::write(&newest, bytes).unwrap();
        let mut trainer = trainer(Method::Anode);
        resume(&mut trainer, folder.path(), fingerprint, |_, _| true);
        trainer.next_step()
    };
    assert_eq!(taken_up(&sound, "run"), 2);
    assert_eq!(taken_up(&sound[..sound.len() / 2], "run"), 1, "cut in half");
    let mut flipped = sound.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(taken_up(&flipped, "run"), 1, "one bit flipped");
    assert_eq!(taken_up(b"", "run"), 1, "empty");
    assert_eq!(taken_up(&sound, "another run"), 0, "another run's");
    remove(folder.path()).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_linear_classifier_learns_next_to_nothing_of_the_embedded_data() {
    let mut set = synthetic();
    set.train.truncate(2000);
    let linear = NetSpec { input: [3, 32, 32], segments: vec![SegmentSpec::Plain(vec![LayerSpec::Linear(10)])] };
    let recipe = Recipe { batch: 50, learning_rate: 0.01, augment: false, epochs: 8, ..recipe(Method::Full) };
    let mut trainer = Trainer::new(Network::new(&linear), Arc::new(set), recipe).unwrap();
    while trainer.next_step() < trainer.total_steps() {
        trainer.step().unwrap();
    }
    let (_, accuracy) = trainer.evaluate().unwrap();
    assert!(accuracy < 0.6, "{accuracy}");
}

#[test]
fn the_embedded_data_is_balanced_and_always_the_same() {
    let set = synthetic();
    for part in [&set.train, &set.test] {
        let count = |class| part.labels.iter().filter(|&&l| l == class).count();
        assert!((0..10).all(|class| count(class) == part.len() / 10));
    }
    assert_eq!((set.train.len(), set.test.len()), (4000, 1000));
    assert_eq!(set.digest, SYNTHETIC_DIGEST);
}

#[test]
fn a_training_that_explodes_is_told_with_step_and_loss() {
    let mut set = (*data(60)).clone();
    set.deviation = [1e-30; 3];
    let net = || {
        Network::new(&NetSpec { input: [3, 32, 32], segments: vec![SegmentSpec::Plain(vec![LayerSpec::Linear(10)])] })
    };
    let wild = Recipe { learning_rate: 1e30, ..recipe(Method::Full) };
    let mut trainer = Trainer::new(net(), Arc::new(set), wild).unwrap();
    let error = (0..20).find_map(|_| trainer.step().err()).expect("it diverges");
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
    assert!(error.to_string().contains("diverged at step"), "{error}");
}

#[test]
fn the_recipe_drops_the_rate_and_keeps_the_last_small_batch() {
    let trainer = trainer(Method::Anode);
    assert_eq!((trainer.steps_per_epoch(), trainer.total_steps()), (5, 20));
    let rates: Vec<f64> = (0..4).map(|e| trainer.learning_rate(e * trainer.steps_per_epoch())).collect();
    assert!(rates[1] == 0.05 && (rates[2] - 0.005).abs() < 1e-15);
    let mut order = shuffled(3, 1, 100);
    assert_ne!(order, shuffled(3, 2, 100), "every epoch has its own order");
    order.sort_unstable();
    assert_eq!(order, (0..100).collect::<Vec<_>>());
}

#[test]
fn there_must_be_something_to_train_on() {
    let mut set = (*data(60)).clone();
    set.train = Images::default();
    let net = Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 4, 10));
    let error = Trainer::new(net, Arc::new(set), recipe(Method::Full)).err().expect("refused");
    assert!(error.to_string().contains("0 images"), "{error}");
}

#[test]
fn measuring_the_gradient_changes_nothing_and_finds_what_euler_in_reverse_gets_wrong() {
    let (mut measured, mut plain) = (trainer(Method::Anode), trainer(Method::Anode));
    for _ in 0..3 {
        let quality = measured.quality().unwrap();
        assert!(quality.relative_error > 1e-3 && quality.relative_error < 10.0, "{quality:?}");
        assert!(quality.cosine < 1.0 && quality.cosine > 0.0, "{quality:?}");
        assert!(quality.reversal_error > 1e-3 && quality.reversal_error < 1.0, "{quality:?}");
        assert_eq!(measured.step().unwrap(), plain.step().unwrap());
    }
    assert_eq!(measured.theta(), plain.theta());
    assert_eq!(measured.evaluate().unwrap(), plain.evaluate().unwrap());
}

#[test]
fn evaluations_and_reversals_change_no_bit_of_a_training_run() {
    let (mut measured, mut plain) = (trainer(Method::ReverseTime), trainer(Method::ReverseTime));
    for _ in 0..6 {
        let running = measured.evaluate_in(EvaluationMode::Running).unwrap();
        assert_eq!(running, plain.evaluate().unwrap());
        let others = [EvaluationMode::TestBatch, EvaluationMode::Recalibrated, EvaluationMode::PerEvaluation];
        let others = others.map(|mode| measured.evaluate_in(mode).unwrap());
        assert!(others.iter().all(|(loss, accuracy)| *loss != running.0 && *accuracy <= 1.0), "{others:?}");
        let rho = measured.block_reversal().unwrap();
        assert!(rho.len() == 1 && rho[0] > 1e-3 && rho[0] < 1.0, "{rho:?}");
        assert_eq!(measured.block_reversal().unwrap(), rho, "the batch is fixed");
        assert_eq!(measured.step().unwrap(), plain.step().unwrap());
    }
    assert_eq!(bits(&measured), bits(&plain));
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let saved = [&measured, &plain].into_iter().zip(&folders).map(|(trainer, folder)| {
        save(trainer, folder.path(), "run", &PastSteps::default()).unwrap();
        // Behind the header, whose entries come in any order.
        let bytes = std::fs::read(folder.path().join("checkpoint.safetensors")).unwrap();
        let header = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        bytes[8 + header..].to_vec()
    });
    let saved: Vec<_> = saved.collect();
    assert!(saved[0] == saved[1], "parameters, velocity and running statistics have the same bits");
}

#[test]
fn augmented_statistics_are_those_of_the_altered_images() {
    let net = Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 4, 10));
    let (theta, solve, set) = (net.initial::<f32>(3), recipe(Method::Anode).solve, data(60));
    let found = |set: &DataSet, mode| evaluate(&net, &theta, solve, set, mode).unwrap();
    for (augmented, plain) in [
        (EvaluationMode::RecalibratedAugmented, EvaluationMode::Recalibrated),
        (EvaluationMode::PerEvaluationAugmented, EvaluationMode::PerEvaluation),
    ] {
        let (mut pixels, mut labels) = (vec![], vec![]);
        for (images, of) in recalibration_images(&set, augmented) {
            let byte = |(i, x): (usize, f32)| {
                let c = i / 1024 % 3;
                (255.0 * (f64::from(x) * set.deviation[c] + set.mean[c])).round() as u8
            };
            pixels.extend(images.into_iter().enumerate().map(byte));
            labels.extend(of);
        }
        let train = Images { pixels, labels };
        assert_ne!(train.pixels, set.train.pixels);
        let altered = DataSet::new("", 10, (set.mean, set.deviation), train, set.test.clone());
        assert_eq!(found(&set, augmented), found(&altered, plain));
        assert_ne!(found(&set, augmented), found(&set, plain));
    }
}

#[test]
fn without_ode_blocks_statistics_per_evaluation_are_the_shared_ones() {
    let spec = (network("resnet4").unwrap().build)(Form::Baseline, 4, 10);
    let net = Network::new(&spec);
    let (theta, set) = (net.initial::<f32>(3), data(60));
    let solve = recipe(Method::Full).solve;
    let found = |mode| evaluate(&net, &theta, solve, &set, mode).unwrap();
    assert_eq!(found(EvaluationMode::PerEvaluation), found(EvaluationMode::Recalibrated));
    assert_eq!(net.with_statistics_per_evaluation(solve).unwrap().statistics(), net.statistics());
}

#[test]
fn statistics_per_evaluation_come_and_go_around_the_shared_ones() {
    let spec = (network("sqnxt").unwrap().build)(Form::Ode, 16, 10);
    let solve = Solve { tableau: solver("midpoint").unwrap(), ..recipe(Method::Anode).solve };
    for norms in [1, 2] {
        let net = Network::with_norms(&spec, norms);
        let marked: Vec<f64> = (0..net.statistics().len()).map(|i| i as f64).collect();
        net.set_statistics(&marked).unwrap();
        let separate = net.with_statistics_per_evaluation(solve).unwrap();
        let (found, n) = (separate.statistics(), marked.len());
        assert_eq!(found[..n], marked, "those of the first stages stay");
        assert!(found[n..].iter().all(|x| [0.0, 1.0].contains(x)) && found[n..].contains(&1.0));
        assert_eq!(separate.parameter_count(), net.parameter_count());
        assert_eq!(separate.with_shared_statistics().statistics(), marked);
        let again = separate.with_statistics_per_evaluation(solve).unwrap();
        assert_eq!(again.statistics().len(), found.len());
        // Four ODE blocks: 2 steps of 2 stages, where the network has statistics for one or for each of the 2 steps.
        let of_blocks = (found.len() - n) / (4 - norms);
        assert_eq!(found.len() - n, of_blocks * (4 - norms));
        assert_eq!(Network::with_norms(&spec, 4).statistics().len() - n, of_blocks * (4 - norms));
    }
}

/// A step of dfdx's optimiser: parameters and velocity after it.
fn step_of_dfdx(sgd: &SgdConfig, theta: &[f32], velocity: &[f32], gradient: &[f32]) -> [Vec<f32>; 2] {
    let mut parameters = Cpu::seed_from_u64(0).tensor_from_vec(theta.to_vec(), (theta.len(),));
    let (mut velocities, mut gradients) = (Gradients::leaky(), Gradients::leaky());
    let moving = velocities.get_or_alloc_mut(&parameters).unwrap();
    moving.copy_from_slice(velocity);
    let down = gradients.get_or_alloc_mut(&parameters).unwrap();
    down.copy_from_slice(gradient);
    sgd.try_update(&mut parameters, moving, down).unwrap();
    [parameters.as_vec(), moving.to_vec()]
}

#[test]
fn steps_of_descent_have_the_bits_of_dfdx() {
    let numbers = |seed: u64| -> Vec<f32> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..40_000).map(|_| random.gen_range(-1.0f32..1.0) * 10f32.powi(random.gen_range(-6..3))).collect()
    };
    let gradient = numbers(1);
    for (momentum, decay) in [(0.9, 5e-4), (0.9, 0.0), (0.0, 0.1)] {
        // The parts that decay and those that do not are tensors of their own there.
        for weights in [0, 20_001, gradient.len()] {
            let [mut theta, mut velocity] = [numbers(2), vec![0.0; gradient.len()]];
            let [mut ours, mut ours_moving] = [theta.clone(), velocity.clone()];
            for learning_rate in [0.1, 0.013] {
                let descent = Descent { learning_rate, momentum, weight_decay: decay, decaying: weights };
                descend(descent, &mut ours, &mut ours_moving, &gradient);
                for (range, decays) in [(0..weights, decay > 0.0), (weights..theta.len(), false)] {
                    // dfdx has no tensors without numbers.
                    if range.is_empty() {
                        continue;
                    }
                    let weight_decay = decays.then_some(WeightDecay::L2(decay));
                    let sgd =
                        SgdConfig { lr: learning_rate, momentum: Some(Momentum::Classic(momentum)), weight_decay };
                    let here = range.clone();
                    let [moved, moving] =
                        step_of_dfdx(&sgd, &theta[here.clone()], &velocity[here.clone()], &gradient[here]);
                    theta[range.clone()].copy_from_slice(&moved);
                    velocity[range].copy_from_slice(&moving);
                }
                let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert!(bits(&ours) == bits(&theta), "theta, {momentum}, {decay}, {weights}");
                assert!(bits(&ours_moving) == bits(&velocity), "velocity, {momentum}, {decay}, {weights}");
            }
        }
    }
}

#[test]
fn a_learner_decays_the_weights_and_not_the_unknowns_of_their_evolution() {
    let spec = (network("resnet4").unwrap().build)(Form::Ode, 4, 10);
    let (sharing, stepping, memory) = (Sharing::Layer, WeightStepping::Together, Memory::None);
    let (law, evaluation) = (Law::new(Terms::Rda), Evaluation::Steps);
    let evolution = Evolution { law, sharing, stepping, memory, evaluation, allow_unstable: false };
    let net = Network::new(&spec).with_evolution(evolution, recipe(Method::Anode).solve).unwrap();
    let (theta, weights) = (net.initial::<f32>(3), net.weight_count());
    assert!(weights < theta.len());
    let gradient: Vec<f32> = theta.iter().map(|x| 0.3 * x + 0.01).collect();
    let mut learner = Learner::new(Arc::new(net), theta.clone(), 0.9, 5e-4).unwrap();
    let descent = Descent { learning_rate: 0.1, momentum: 0.9, weight_decay: 5e-4, decaying: weights };
    let (mut expected, mut velocity) = (theta.clone(), vec![0.0; theta.len()]);
    for _ in 0..2 {
        learner.update(0.1, &gradient).unwrap();
        descend(descent, &mut expected, &mut velocity, &gradient);
    }
    assert!(learner.theta() == expected && learner.velocity() == velocity);
}

#[test]
fn a_learner_refuses_vectors_that_do_not_fit() {
    let net = Arc::new(Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 4, 10)));
    let theta = net.initial::<f32>(3);
    let mut learner = Learner::new(net.clone(), theta.clone(), 0.9, 5e-4).unwrap();
    let said = |found: Result<(), StepError>| match found {
        Err(StepError::Forward(NetworkError::Solve(error @ SolveError::Argument(_)))) => error.to_string(),
        Err(error @ StepError::Forward(NetworkError::Images { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    };
    for wrong in [&theta[1..], &[&theta[..], &[0.0]].concat(), &[]] {
        assert!(said(learner.set_theta(wrong)).contains("theta"));
        assert!(said(learner.set_velocity(wrong)).contains("velocity"));
        assert!(said(learner.update(0.1, &wrong.to_vec())).contains("gradient"));
    }
    let set = data(60);
    let (images, labels) = set.batch(&set.train, &[0, 1, 2], |_| Alteration::NONE);
    let solve = recipe(Method::Anode).solve;
    let gradient =
        |images: &[f32], labels: &[u8]| learner.gradient(images.to_vec(), labels, solve, &Ledger::new()).map(|_| ());
    gradient(&images, &labels).unwrap();
    assert!(said(gradient(&images, &labels[1..])).contains("labels"));
    assert!(said(gradient(&images[1..], &labels)).contains("images"));
    let refused = gradient(&images, &[0, 1, 10]).unwrap_err();
    assert!(matches!(refused, StepError::Label { label: 10, classes: 10 }), "{refused}");
    assert_eq!((learner.theta(), learner.velocity()), (theta.clone(), vec![0.0; theta.len()]));
    assert!(said(Learner::new(net.clone(), theta[1..].to_vec(), 0.9, 5e-4).map(|_| ())).contains("theta"));
}

#[test]
fn a_state_of_another_network_is_refused() {
    let mut trainer = trainer(Method::Anode);
    let (theta, statistics) = (trainer.theta(), trainer.statistics());
    let said = |found: Result<(), TrainError>| found.unwrap_err().to_string();
    assert!(said(trainer.set_state(&theta[1..], &statistics)).contains("theta"));
    assert!(said(trainer.set_state(&theta, &statistics[1..])).contains("statistics"));
    trainer.set_state(&theta, &statistics).unwrap();
}

#[test]
fn an_evaluation_refuses_labels_that_the_network_has_no_class_for() {
    let mut set = (*data(12)).clone();
    set.test.labels[3] = 10;
    let network = Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 4, 10));
    let trainer = Trainer::new(network, Arc::new(set), recipe(Method::Anode)).unwrap();
    for mode in EvaluationMode::ALL {
        match trainer.evaluate_in(mode) {
            Err(TrainError::Step(StepError::Label { label: 10, classes: 10 })) => {}
            other => panic!("{mode}: {other:?}"),
        }
    }
}

#[test]
fn a_recipe_has_epochs_and_no_step_is_taken_after_the_last_one() {
    let net = || {
        Network::new(&NetSpec { input: [3, 32, 32], segments: vec![SegmentSpec::Plain(vec![LayerSpec::Linear(10)])] })
    };
    let recipe = |epochs| Recipe { epochs, rate: Rate::Cosine, ..recipe(Method::Full) };
    let refused = Trainer::new(net(), data(24), recipe(0)).err().expect("no epochs");
    assert!(matches!(refused, TrainError::NoEpochs), "{refused}");
    let mut trainer = Trainer::new(net(), data(24), recipe(1)).unwrap();
    for _ in 0..trainer.total_steps() {
        trainer.step().unwrap();
    }
    let before = bits(&trainer);
    let refused = trainer.step().unwrap_err();
    assert!(matches!(refused, TrainError::Complete { steps: 2 }), "{refused}");
    assert_eq!((bits(&trainer), trainer.next_step()), (before, 2));
}

#[test]
fn numbers_that_define_no_step_are_refused() {
    let refused = |change: &dyn Fn(&mut DataSet, &mut Recipe)| {
        let (mut set, mut recipe) = ((*data(12)).clone(), recipe(Method::Anode));
        change(&mut set, &mut recipe);
        let network = Network::new(&(network("resnet4").unwrap().build)(Form::Ode, 4, 10));
        Trainer::new(network, Arc::new(set), recipe).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(refused(&|_, _| ()), "");
    let rate = "learning_rate: NaN; allowed: a finite number from 0";
    assert_eq!(refused(&|_, recipe| recipe.learning_rate = f64::NAN), rate);
    assert!(refused(&|_, recipe| recipe.learning_rate = -1.0).starts_with("learning_rate: -1.0"));
    assert!(refused(&|_, recipe| recipe.weight_decay = f64::INFINITY).starts_with("weight_decay: inf"));
    assert!(refused(&|_, recipe| recipe.momentum = 2.0).contains("a number from 0, below 1"));
    assert!(refused(&|_, recipe| recipe.rate = Rate::Drops(vec![f64::NAN])).starts_with("rate: drops after [NaN]"));
    assert!(refused(&|set, _| set.deviation[1] = 0.0).starts_with("deviation: "));
    assert!(refused(&|set, _| set.mean[1] = f64::NAN).starts_with("mean: "));
    assert!(refused(&|set, _| set.train.pixels.truncate(5)).starts_with("train: 5 bytes of pixels for 12 labels"));
}
