//! Which machine and which program computed the steps of a run that was interrupted and continued elsewhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::instructions;
use super::{Environment, Record};

/// Processor of the steps before a state that does not say where they were computed.
const UNKNOWN_PROCESSOR: &str = "an unknown processor";

/// Their system and version.
const UNKNOWN: &str = "unknown";

/// Largest number of origins of a run. With more, the origin of its first steps counts as unknown.
const MOST: usize = 100;

/// Largest length of a text of an origin, in bytes. The description of a GPU with its libraries has about 100.
const LONGEST: usize = 300;

/// What computed the steps from `from_step` on, up to the next origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The first of these steps.
    pub from_step: u64,
    /// The GPU with its driver and libraries, as in [`Environment::accelerator`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<String>,
    /// Model of the processor, with its vector instructions; `an unknown processor` if the state from which the run
    /// continued did not say it.
    pub processor: String,
    /// Operating system and architecture.
    pub system: String,
    /// Version of the program.
    pub version: String,
    /// Git commit the program was built from, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether the tree had uncommitted changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
}

impl Origin {
    fn new(from_step: u64, of: &Environment) -> Self {
        let Environment { accelerator, processor, system, version, commit, dirty, .. } = of.clone();
        Self { from_step, accelerator, processor, system, version, commit, dirty }
    }

    fn unknown() -> Self {
        let [processor, system, version] = [UNKNOWN_PROCESSOR, UNKNOWN, UNKNOWN].map(str::to_owned);
        Self { from_step: 0, accelerator: None, processor, system, version, commit: None, dirty: None }
    }

    /// What decides, on one device, whether results of a program are bit-identical.
    fn instructions(&self) -> (Option<&str>, &str, &str) {
        instructions(self.accelerator.as_deref(), &self.processor, &self.system)
    }

    fn is_known(&self) -> bool {
        self.processor != UNKNOWN_PROCESSOR
    }

    /// Whether each text has a length that this program writes.
    fn is_short(&self) -> bool {
        let texts = [Some(&self.processor), Some(&self.system), Some(&self.version)];
        let texts = texts.into_iter().chain([self.accelerator.as_ref(), self.commit.as_ref()]);
        texts.flatten().all(|text| text.len() <= LONGEST)
    }

    /// The processor and the program, in words.
    pub fn in_words(&self) -> String {
        if !self.is_known() {
            return format!("{UNKNOWN_PROCESSOR}: the checkpoint has no valid origins");
        }
        let commit: String = self.commit.as_deref().unwrap_or(UNKNOWN).chars().take(12).collect();
        let changed = if self.dirty == Some(true) { " with uncommitted changes" } else { "" };
        let place = self.accelerator.as_deref().unwrap_or(&self.processor);
        format!("{place}, anode {} at commit {commit}{changed}", self.version)
    }
}

/// The origins of a run that continues at `step` in the environment `here` from a state that was saved with the text
/// `saved`. The origin of the steps is unknown if there is no such text, as in states of earlier versions, or if it is
/// not one of this program.
pub fn origins(saved: Option<&str>, step: u64, here: &Environment) -> Vec<Origin> {
    let own = Origin::new(step, here);
    if step == 0 {
        return vec![own];
    }
    let known = saved.and_then(|text| serde_json::from_str::<Vec<Origin>>(text).ok());
    let known = known.filter(|found| ascend(found) && found.len() <= MOST && found.iter().all(Origin::is_short));
    let mut found = known.unwrap_or_else(|| vec![Origin::unknown()]);
    // One that took no step leaves no trace.
    found.retain(|origin| origin.from_step < step);
    if found.last().is_none_or(|last| Origin { from_step: step, ..last.clone() } != own) {
        if found.len() == MOST {
            found = vec![Origin::unknown()];
        }
        found.push(own);
    }
    found
}

/// The last two origins of a run that continues at `step`, if the steps from there on are computed with other
/// instructions than those before.
pub fn change_of_instructions(origins: &[Origin], step: u64) -> Option<[&Origin; 2]> {
    let [.., before, now] = origins else { return None };
    (now.from_step == step && before.instructions() != now.instructions()).then_some([before, now])
}

/// The text of origins that is saved with a state.
pub fn origins_text(origins: &[Origin]) -> String {
    serde_json::to_string(origins).unwrap_or_default()
}

/// Whether origins cover all steps, each once.
pub(super) fn ascend(origins: &[Origin]) -> bool {
    origins.first().is_some_and(|first| first.from_step == 0) && origins.is_sorted_by(|a, b| a.from_step < b.from_step)
}

impl Record {
    /// Whether the same program computes the bits of the record's first `steps` steps in the environment `here`, or
    /// those of the whole record (`None`).
    pub fn has_instructions_of(&self, here: &Environment, steps: Option<u64>) -> bool {
        let own = Origin::new(0, here);
        self.environment.device == here.device
            && self.origins_of(steps).iter().all(|o| o.is_known() && o.instructions() == own.instructions())
    }

    /// Whether the same program computes the bits of both records, if they are of the same run.
    pub fn has_instructions_of_record(&self, other: &Self) -> bool {
        let both = [self.all_origins(), other.all_origins()];
        let [a, b] = both.each_ref().map(|origins| {
            let mut steps: Vec<_> = origins.iter().map(|o| (o.from_step, o.instructions())).collect();
            steps.dedup_by(|next, before| next.1 == before.1);
            steps
        });
        self.environment.device == other.environment.device && a == b && both.iter().flatten().all(Origin::is_known)
    }

    /// Whether it is known where the first `steps` steps were computed, or all of them (`None`).
    pub fn has_known_origins(&self, steps: Option<u64>) -> bool {
        self.origins_of(steps).iter().all(Origin::is_known)
    }

    /// The origins of the first `steps` steps, or of all of them (`None`).
    pub fn origins_of(&self, steps: Option<u64>) -> Vec<Origin> {
        let mut origins = self.all_origins();
        origins.retain(|origin| steps.is_none_or(|steps| origin.from_step < steps));
        origins
    }

    /// The origins of all steps.
    fn all_origins(&self) -> Vec<Origin> {
        match self.origins.is_empty() {
            true => vec![Origin::new(0, &self.environment)],
            false => self.origins.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::super::environment;
    use super::*;

    fn on(processor: &str) -> Environment {
        Environment { processor: processor.into(), dirty: Some(false), ..environment("cpu", 2, 1.0) }
    }

    fn made_on(environment: Environment, origins: Vec<Origin>) -> Record {
        let record: Record = serde_json::from_value(json!({
            "format": 1, "run": "0123456789abcdef", "experiment": "one", "profile": "quick", "study": "training",
            "settings": {}, "seed": 0, "inputs": {}, "status": { "kind": "finished" }, "environment": environment,
            "files": Map::new()
        }))
        .unwrap();
        Record { origins, ..record }
    }

    #[test]
    fn vector_instructions_decide_and_models_do_not() {
        let here = on("Model A (r) (AVX-512)");
        let same = |a: &Environment, b: &Environment| {
            let (of_a, of_b) = (made_on(a.clone(), vec![]), made_on(b.clone(), vec![]));
            let found = of_a.has_instructions_of(b, None);
            assert_eq!(found, of_a.has_instructions_of_record(&of_b));
            found
        };
        assert!(same(&here, &Environment { threads: 7, ..on("Other (AVX-512)") }));
        assert!(same(&here, &on("Model B (AVX2 in pairs)")), "the same kernels on registers of the same length");
        assert!(!same(&here, &on("Model A (r) (AVX2)")));
        assert!(!same(&here, &on("aarch64")) && same(&on("aarch64"), &on("aarch64")));
        let gpu =
            |words: &str| Environment { device: "cuda-cudnn".into(), accelerator: Some(words.into()), ..here.clone() };
        assert!(!same(&here, &gpu("A, cuDNN 9.1.0")));
        assert!(!same(&gpu("A, cuDNN 9.2.0"), &gpu("A, cuDNN 9.1.0")));
    }

    #[test]
    fn each_machine_and_program_that_took_steps_is_kept() {
        let (wide, narrow) = (on("A (AVX-512)"), on("B (AVX2)"));
        let first = origins(None, 0, &wide);
        assert_eq!(first, [Origin::new(0, &wide)]);
        let text = origins_text(&first);
        assert_eq!(origins(Some(&text), 50, &wide), first, "the same machine again");
        let second = origins(Some(&text), 50, &narrow);
        assert_eq!(second, [Origin::new(0, &wide), Origin::new(50, &narrow)]);
        assert_eq!(origins(Some(&origins_text(&second)), 50, &wide), first, "the other one took no step");
        let rebuilt = Environment { dirty: Some(true), ..wide.clone() };
        assert_eq!(origins(Some(&text), 70, &rebuilt)[1], Origin::new(70, &rebuilt));
        for text in [None, Some("no JSON"), Some("[]"), Some(r#"[{"from_step":3}]"#)] {
            assert_eq!(origins(text, 9, &wide), [Origin::unknown(), Origin::new(9, &wide)], "{text:?}");
        }
        let long = Origin::new(0, &on(&"w".repeat(LONGEST + 1)));
        let many = |count: u64| (0..count).map(|step| Origin::new(step, &wide)).collect::<Vec<Origin>>();
        let most = MOST as u64;
        for text in [origins_text(&[long]), origins_text(&many(most + 1))] {
            assert_eq!(origins(Some(&text), 999, &wide), [Origin::unknown(), Origin::new(999, &wide)]);
        }
        assert_eq!(origins(Some(&origins_text(&many(most))), 999, &wide), many(most), "the same machine again");
        assert_eq!(origins(Some(&origins_text(&many(most))), 999, &narrow).len(), 2);
        assert_eq!(origins(Some(&origins_text(&many(most - 1))), 999, &narrow).len(), MOST);
        let late = origins_text(&[Origin::new(4, &wide)]);
        assert_eq!(origins(Some(&late), 9, &wide)[0], Origin::unknown(), "the first steps have no origin");
    }

    #[test]
    fn only_the_steps_compared_must_have_been_computed_alike() {
        let (wide, narrow) = (on("A (AVX-512)"), on("B (AVX2)"));
        let both = origins(Some(&origins_text(&origins(None, 0, &wide))), 50, &narrow);
        let mixed = made_on(narrow.clone(), both);
        assert!(mixed.has_instructions_of(&wide, Some(50)) && !mixed.has_instructions_of(&wide, Some(51)));
        assert!(!mixed.has_instructions_of(&narrow, Some(1)) && !mixed.has_instructions_of(&narrow, None));
        assert!(mixed.has_instructions_of_record(&mixed));
        for plain in [wide.clone(), narrow] {
            assert!(!mixed.has_instructions_of_record(&made_on(plain, vec![])));
        }
        let unknown = made_on(wide.clone(), origins(None, 50, &wide));
        assert!(!unknown.has_instructions_of(&wide, Some(1)) && !unknown.has_instructions_of_record(&unknown));
        let elsewhere = Environment { commit: Some("another".into()), ..on("C (AVX-512)") };
        let alike = origins(Some(&origins_text(&origins(None, 0, &wide))), 50, &elsewhere);
        let alike = made_on(elsewhere, alike);
        assert!(alike.has_instructions_of(&wide, None));
        assert!(alike.has_instructions_of_record(&made_on(wide, vec![])), "the same instructions throughout");
    }
}
