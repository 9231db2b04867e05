//! Runs a target on mutated inputs, under a watch for time and memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A reader under test.
pub struct Target {
    /// Its name, which is that of its corpus.
    pub name: &'static str,
    /// Longest time of the processor for an input.
    pub longest: Duration,
    /// Sound inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// An input made from others.
    pub mutate: fn(&mut ChaCha8Rng, &[Vec<u8>]) -> Vec<u8>,
    /// Reads an input, which it writes into the folder first. Returns in words what came of it.
    pub run: fn(&Path, &[u8]) -> String,
}

/// Longest time of any clock for an input, which may wait for a processor, but not for a pipe.
const WAITED: Duration = Duration::from_secs(1800);
/// Most bytes for an input.
const MOST: usize = 1 << 30;
/// Most inputs that are kept to be mutated again.
const KEPT: usize = 2000;

/// Fails an allocation that would take more than the input may have, which ends the process.
struct Bounded;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

// SAFETY: blocks are the system's from first to last, with the layout that the caller gave; an allocation that is
// refused returns null, which the trait allows. Nothing here panics or allocates.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, memory: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(memory.size(), SeqCst).saturating_add(memory.size());
        if live > LIMIT.load(SeqCst) {
            LIVE.fetch_sub(memory.size(), SeqCst);
            return std::ptr::null_mut();
        }
        PEAK.fetch_max(live, SeqCst);
        // SAFETY: the caller ensures that the size is not zero.
        unsafe { System.alloc(memory) }
    }

    unsafe fn dealloc(&self, at: *mut u8, memory: Layout) {
        LIVE.fetch_sub(memory.size(), SeqCst);
        // SAFETY: the caller ensures that the block came from `alloc`, that is, from the system, with this layout.
        unsafe { System.dealloc(at, memory) }
    }
}

#[global_allocator]
static BOUNDED: Bounded = Bounded;

/// One target at a time, because memory and time are those of the process.
static TURN: Mutex<()> = Mutex::new(());
/// Milliseconds of the processor, and of the clock, after which the present input has taken too long; 0 between inputs.
static DEADLINE: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

/// Time that the process has taken of the processors; that of the clock where the system does not tell.
fn processor(clock: Instant) -> Duration {
    #[cfg(unix)]
    {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a valid place for the answer.
        if unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) } == 0 {
            return Duration::new(time.tv_sec as u64, time.tv_nsec as u32);
        }
    }
    clock.elapsed()
}

/// Runs the corpus, the seeds and `count` mutated inputs, or mutated inputs for the seconds of `ANODE_FUZZ_SECONDS`.
pub fn fuzz(target: &Target, count: usize) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = variable("ANODE_FUZZ_SECONDS");
    let seed = variable("ANODE_FUZZ_SEED").unwrap_or(0);
    // Not a temporary folder of the system: what an aborted run leaves there is the input that aborted it.
    let work = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fuzz").join(target.name);
    let kept = work.join("failed");
    std::fs::create_dir_all(&kept).unwrap();
    let clock = Instant::now();
    let watch = Watch::new(clock, target.longest, &work);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut pool, mut seen, mut failed): (Vec<Vec<u8>>, HashSet<String>, Vec<String>) = Default::default();
    let (mut tried, mut slowest, mut largest) = (0u64, Duration::ZERO, 0);
    let corpus = corpus(target.name);
    let given = corpus.len() + (target.seeds)().len();
    let mut first = corpus.into_iter().chain((target.seeds)());
    let ended = |tried: u64| match seconds {
        Some(seconds) => clock.elapsed().as_secs() >= seconds,
        None => tried >= (given + count) as u64,
    };
    while tried < given as u64 || !ended(tried) {
        let input = first.next().unwrap_or_else(|| (target.mutate)(&mut random, &pool));
        let before = LIVE.load(SeqCst);
        PEAK.store(before, SeqCst);
        LIMIT.store(before.saturating_add(MOST), SeqCst);
        let begun = processor(clock);
        watch.begin();
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(&work, &input)));
        watch.end();
        LIMIT.store(usize::MAX, SeqCst);
        slowest = slowest.max(processor(clock).saturating_sub(begun));
        largest = largest.max(PEAK.load(SeqCst).saturating_sub(before));
        tried += 1;
        match outcome {
            Ok(said) => {
                if seen.insert(kind(&said)) || tried <= given as u64 || random.gen_ratio(1, 500) {
                    if pool.len() == KEPT {
                        let gone = random.gen_range(given.min(KEPT - 1)..KEPT);
                        pool.swap_remove(gone);
                    }
                    pool.push(input);
                }
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
                let text = text.unwrap_or("no message").to_owned();
                if seen.insert(kind(&text)) {
                    let path = kept.join(format!("{}-{}", anode::digest::sha256(&input), failed.len()));
                    std::fs::write(&path, &input).unwrap();
                    failed.push(format!("{text}: {}", path.display()));
                }
            }
        }
    }
    println!(
        "{}: {tried} inputs, {} kinds of outcome, slowest {:.2} s, most memory {:.1} MiB, seed {seed}",
        target.name,
        seen.len(),
        slowest.as_secs_f64(),
        largest as f64 / f64::from(1 << 20)
    );
    assert!(failed.is_empty(), "{} of {tried} inputs panicked:\n{}", failed.len(), failed.join("\n"));
}

/// Inputs that failed once, in the order of their names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// An outcome without its numbers, quoted texts and length: what is new in it is worth another look.
fn kind(said: &str) -> String {
    let mut quoted = false;
    let keep = |c: &char| {
        quoted ^= *c == '`';
        !quoted && !c.is_ascii_digit()
    };
    said.chars().take(400).filter(keep).take(120).collect()
}

/// Ends the process when an input takes too long: a thread cannot be ended from outside.
struct Watch {
    clock: Instant,
    longest: Duration,
}

impl Watch {
    fn new(clock: Instant, longest: Duration, work: &Path) -> Self {
        let work = work.to_owned();
        DEADLINE.iter().for_each(|deadline| deadline.store(0, SeqCst));
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(200));
                let times = [processor(clock), clock.elapsed()];
                for (deadline, time) in DEADLINE.iter().zip(times) {
                    match deadline.load(SeqCst) {
                        u64::MAX => return,
                        0 => {}
                        deadline if (time.as_millis() as u64) < deadline => {}
                        _ => {
                            eprintln!(
                                "an input takes more than {longest:?} of the processor; it is in {}",
                                work.display()
                            );
                            std::process::abort();
                        }
                    }
                }
            }
        });
        Self { clock, longest }
    }

    fn begin(&self) {
        let ends = [processor(self.clock) + self.longest, self.clock.elapsed() + WAITED];
        DEADLINE.iter().zip(ends).for_each(|(deadline, end)| deadline.store(end.as_millis() as u64, SeqCst));
    }

    fn end(&self) {
        DEADLINE.iter().for_each(|deadline| deadline.store(0, SeqCst));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        DEADLINE.iter().for_each(|deadline| deadline.store(u64::MAX, SeqCst));
        // Until the thread has seen it, no other target begins.
        std::thread::sleep(Duration::from_millis(250));
    }
}
