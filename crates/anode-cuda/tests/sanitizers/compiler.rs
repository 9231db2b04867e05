//! Finds a compiler with sanitizers, compiles the emulator with the kernels and runs it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::here;

/// No run takes longer, unless its threads wait for each other forever.
const LIMIT: Duration = Duration::from_secs(1200);

/// Where the kernels are.
pub fn sources() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The files of the kernels, in order.
pub fn kernel_sources() -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(sources()).expect("the source").flatten().map(|e| e.path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "cuh" || e == "cu"));
    files.sort();
    files
}

/// What a program is instrumented with.
#[derive(Clone, Copy, PartialEq)]
pub enum Sanitizer {
    /// ThreadSanitizer, two blocks at a time.
    Thread,
    /// AddressSanitizer and UndefinedBehaviorSanitizer, one block at a time.
    Memory,
    /// AddressSanitizer alone, which also sees what UndefinedBehaviorSanitizer reports first.
    Address,
}

impl Sanitizer {
    /// Flags of compiling and linking.
    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Thread => &["-fsanitize=thread"],
            Self::Memory => &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
            Self::Address => &["-fsanitize=address"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Memory => "memory",
            Self::Address => "address",
        }
    }

    /// Blocks that run at the same time.
    fn slots(self) -> usize {
        if self == Self::Thread { 2 } else { 1 }
    }
}

/// What a program printed.
pub struct Ran {
    /// Whether it ended with exit code 0.
    pub success: bool,
    /// Its output, then its errors.
    pub text: String,
}

/// Builds programs by one compiler, in one folder.
pub struct Build {
    compiler: String,
    folder: PathBuf,
}

/// Compiling the same object twice at a time would be of no use.
static ONE: Mutex<()> = Mutex::new(());

impl Build {
    /// With the first compiler that has all sanitizers: `CXX`, else `c++`, `g++` or `clang++`.
    ///
    /// Returns `None` if there is none, and panics then if `ANODE_NEEDS_SANITIZERS` is 1.
    pub fn new() -> Option<Self> {
        static COMPILER: OnceLock<Option<String>> = OnceLock::new();
        let compiler = COMPILER.get_or_init(|| {
            let candidates = std::env::var("CXX").into_iter().chain(["c++", "g++", "clang++"].map(str::to_owned));
            let mut why = "no C++ compiler with ThreadSanitizer and AddressSanitizer".to_owned();
            for compiler in candidates {
                let build = Self::of(&compiler);
                match build.probe() {
                    Ok(()) => return Some(compiler),
                    Err(error) => why += &format!("\n{compiler}: {}", error.trim_end()),
                }
                // Only what was compiled for the probe.
                let _ = std::fs::remove_dir_all(&build.folder);
            }
            let needed = std::env::var("ANODE_NEEDS_SANITIZERS").is_ok_and(|value| value == "1");
            assert!(!needed, "{why}");
            // Tests do not capture this, so it is shown.
            let _ = writeln!(std::io::stderr(), "skipped: {why}");
            None
        });
        compiler.as_deref().map(Self::of)
    }

    /// Objects are kept in a folder named by a digest of all they are made from.
    fn of(compiler: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        compiler.hash(&mut hasher);
        Command::new(compiler).arg("--version").output().map(|output| output.stdout).ok().hash(&mut hasher);
        let mut files = kernel_sources();
        files.extend(std::fs::read_dir(here()).expect("this test").flatten().map(|entry| entry.path()));
        files.sort();
        files.iter().for_each(|path| std::fs::read(path).expect("a source").hash(&mut hasher));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sanitizers-{:016x}", hasher.finish()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self { compiler: compiler.to_owned(), folder }
    }

    /// A folder within the build's.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// Checks that small programs with each sanitizer compile and run.
    fn probe(&self) -> Result<(), String> {
        let source = self.folder.join(format!("probe-{}.cpp", std::process::id()));
        let text = "#include <thread>\nint main() { std::thread([] {}).join(); }\n";
        std::fs::write(&source, text).map_err(|e| e.to_string())?;
        for sanitizer in [Sanitizer::Thread, Sanitizer::Memory] {
            let program = source.with_extension(sanitizer.name());
            let arguments = sanitizer.flags().iter().map(OsStr::new);
            let arguments = arguments.chain(["-std=c++20", "-pthread"].map(OsStr::new));
            self.compile(arguments.chain([source.as_os_str(), OsStr::new("-o"), program.as_os_str()]))?;
            let ran = self.run(&program, &[]);
            std::fs::remove_file(&program).map_err(|e| e.to_string())?;
            if !ran.success {
                return Err(ran.text);
            }
        }
        std::fs::remove_file(&source).map_err(|e| e.to_string())
    }

    fn compile<'a>(&self, arguments: impl Iterator<Item = &'a OsStr>) -> Result<String, String> {
        let output = Command::new(&self.compiler).args(arguments).output().map_err(|e| e.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// A source as nvcc preprocesses it, without the emulator.
    pub fn preprocessed(&self, source: &Path) -> String {
        let arguments = ["-std=c++17", "-E", "-P", "-x", "c++"].map(OsStr::new).into_iter();
        self.compile(arguments.chain([source.as_os_str()])).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Compiles one file of the emulator, unless the object exists.
    fn object(&self, made: &Path, file: &str, flags: &[String]) {
        if made.exists() {
            return;
        }
        let part = made.with_extension(format!("{}.o", std::process::id()));
        let (include, source) = (here(), here().join(file));
        let always = ["-c", "-w", "-g1", "-pthread", "-DANODE_EMULATED"].into_iter();
        let flags = always.chain(flags.iter().map(String::as_str)).chain(["-I"]).map(OsStr::new);
        let files = [include.as_os_str(), source.as_os_str(), OsStr::new("-o"), part.as_os_str()];
        let arguments = flags.chain(files);
        self.compile(arguments).unwrap_or_else(|error| panic!("{file}: {error}"));
        std::fs::rename(&part, made).expect("the object in its place");
    }

    /// The tiles of the convolutions, read from the lines that instantiate their kernels.
    fn tiles(&self) -> PathBuf {
        let mut text = String::new();
        // Convolutions cover BM pixels and BN channels, the vjps of weights BM channels and BN weights.
        let kinds = [
            ("CONVOLUTION_TILES", "conv.cuh", "CONVOLVE(", [2, 3]),
            ("WEIGHT_TILES", "conv_weights.cuh", "WEIGHT_VJP(", [3, 2]),
        ];
        for (list, file, start, [across, channels]) in kinds {
            let source = std::fs::read_to_string(sources().join(file)).expect("a source");
            let _ = writeln!(text, "const Tile {list}[] = {{");
            for line in source.lines().filter_map(|line| line.strip_prefix(start)) {
                let fields: Vec<_> = line.split([',', ')']).map(str::trim).collect();
                let _ = writeln!(text, "    {{\"{}\", {}, {}}},", fields[0], fields[across], fields[channels]);
            }
            text += "};\n";
        }
        let folder = self.folder("tiles");
        let part = folder.join(format!("{}.h", std::process::id()));
        std::fs::write(&part, text).expect("the tiles");
        std::fs::rename(&part, folder.join("tiles.h")).expect("the tiles in their place");
        folder
    }

    /// Links a program of this name: `kernels` of the folder `source`, the threads that run them, and the cases.
    pub fn link(&self, name: &str, sanitizer: &Sanitizer, source: &Path, kernels: &str) -> PathBuf {
        self.link_in(&self.folder(name), sanitizer, source, kernels)
    }

    /// As [`Self::link`] in a folder, which keeps the objects of the kernels.
    pub fn link_in(&self, folder: &Path, sanitizer: &Sanitizer, source: &Path, kernels: &str) -> PathBuf {
        let owned = |flags: &[&str]| flags.iter().map(|&flag| flag.to_owned()).collect::<Vec<_>>();
        let include = |path: &Path| format!("-I{}", path.display());
        let machine = self.folder.join(format!("machine-{}.o", sanitizer.name()));
        let cases = self.folder.join("cases.o");
        {
            // All programs share these, and tests run at the same time.
            let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
            self.object(&machine, "machine.cpp", &[owned(sanitizer.flags()), owned(&["-std=c++20", "-O2"])].concat());
            let includes = vec![include(&sources()), include(&self.tiles())];
            self.object(&cases, "cases.cpp", &[owned(&["-std=c++17", "-O2"]), includes].concat());
        }
        let mut objects = vec![];
        std::thread::scope(|scope| {
            for slot in 0..sanitizer.slots() {
                let made = folder.join(format!("kernels-{slot}.o"));
                objects.push(made.clone());
                let mut flags = owned(sanitizer.flags());
                // Optimized code runs little faster here, and compiles slowly if loops are unrolled.
                flags.extend(owned(&["-std=c++17", "-O0"]));
                flags.extend([include(source), format!("-DKERNELS=\"{kernels}\""), format!("-DSLOT={slot}")]);
                scope.spawn(move || self.object(&made, "kernels.cpp", &flags));
            }
        });
        let program = folder.join("cases");
        objects.extend([machine, cases]);
        let flags = sanitizer.flags().iter().copied().chain(["-pthread"]).map(OsStr::new);
        let arguments = flags.chain(objects.iter().map(|object| object.as_os_str()));
        let linked = self.compile(arguments.chain([OsStr::new("-o"), program.as_os_str()]));
        linked.unwrap_or_else(|error| panic!("{error}"));
        program
    }

    /// Runs a program. Runs it again without randomized addresses if the sanitizer cannot place its shadow memory.
    pub fn run(&self, program: &Path, arguments: &[&str]) -> Ran {
        let ran = execute(Command::new(program).args(arguments), program);
        if ["unexpected memory mapping", "interleaves with an existing memory mapping"]
            .iter()
            .all(|m| !ran.text.contains(m))
        {
            return ran;
        }
        let mut fixed = Command::new("setarch");
        execute(fixed.arg(std::env::consts::ARCH).arg("-R").arg(program).args(arguments), program)
    }
}

/// Runs a command; its output is written to a file next to the program.
fn execute(command: &mut Command, program: &Path) -> Ran {
    let log = program.with_extension("log");
    let file = std::fs::File::create(&log).expect("a log");
    command.stdin(Stdio::null()).stderr(file.try_clone().expect("a log")).stdout(file);
    command.env("TSAN_OPTIONS", "halt_on_error=1").env("ASAN_OPTIONS", "detect_leaks=0");
    let mut child = match command.env("UBSAN_OPTIONS", "print_stacktrace=1").spawn() {
        Ok(child) => child,
        Err(error) => return Ran { success: false, text: format!("{command:?}: {error}") },
    };
    let start = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break Some(status),
            None if start.elapsed() > LIMIT => {
                // It may have just ended by itself.
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let mut text = String::from_utf8_lossy(&std::fs::read(&log).expect("a log")).into_owned();
    std::fs::remove_file(&log).expect("the log removed");
    match status {
        Some(status) if !status.success() => text += &format!("{status}\n"),
        None => text += &format!("not finished after {} s\n", LIMIT.as_secs()),
        Some(_) => (),
    }
    Ran { success: status.is_some_and(|status| status.success()), text }
}
