//! Faults that are planted into copies of the kernels' source. Each must be reported.

use std::fmt;

use crate::compiler::{Sanitizer, kernel_sources};

/// A change of the source.
pub struct Fault {
    /// The file that is changed, and the text.
    pub file: String,
    from: &'static str,
    /// Which occurrence of the text, from 0.
    occurrence: usize,
    to: &'static str,
    /// The file that is compiled, and the family of cases that run.
    pub kernels: &'static str,
    /// See `main` in `cases.cpp`.
    pub family: &'static str,
    /// What finds it.
    pub sanitizer: Sanitizer,
    /// What the report contains, alternatives separated by `|`; `None` if the change is no fault, and nothing must be
    /// reported.
    pub report: Option<&'static str>,
    /// Whether it is planted by default.
    pub short: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, `{}` (occurrence {}) changed to `{}`", self.file, self.from, self.occurrence, self.to)
    }
}

impl Fault {
    /// The source with the fault.
    pub fn planted(&self, text: &str) -> String {
        let found = text.match_indices(self.from).nth(self.occurrence);
        let (at, _) = found.unwrap_or_else(|| panic!("{self}: there is no such text"));
        format!("{}{}{}", &text[..at], self.to, &text[at + self.from.len()..])
    }

    fn short(mut self) -> Self {
        self.short = true;
        self
    }

    fn occurrence(mut self, occurrence: usize) -> Self {
        self.occurrence = occurrence;
        self
    }

    fn found_by(mut self, sanitizer: Sanitizer, report: &'static str) -> Self {
        self.sanitizer = sanitizer;
        self.report = Some(report);
        self
    }

    /// Planted in a header that others include.
    fn seen_in(mut self, kernels: &'static str, family: &'static str) -> Self {
        self.kernels = kernels;
        self.family = family;
        self
    }
}

/// A fault that leaves a heap block.
fn overrun(file: &'static str, family: &'static str, from: &'static str, to: &'static str) -> Fault {
    let (sanitizer, report) = (Sanitizer::Address, Some("heap-buffer-overflow"));
    Fault { file: file.into(), from, occurrence: 0, to, kernels: file, family, sanitizer, report, short: false }
}

fn race(file: &'static str, family: &'static str, from: &'static str, to: &'static str) -> Fault {
    overrun(file, family, from, to).found_by(Sanitizer::Thread, "data race")
}

/// A fault that only the reference finds.
fn wrong(file: &'static str, family: &'static str, from: &'static str, to: &'static str) -> Fault {
    overrun(file, family, from, to).found_by(Sanitizer::Memory, "the reference")
}

/// All faults except missing barriers.
pub fn faults() -> Vec<Fault> {
    let in_loop = "if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];\n        __syncthreads();";
    let divergent = "if (threadIdx.x < half) {\n sums[threadIdx.x] += sums[threadIdx.x + half]; __syncthreads(); }";
    vec![
        // One past the end of a buffer.
        overrun("dense.cuh", "dense", "j < a.columns;", "j <= a.columns;").short(),
        overrun("dense.cuh", "dense", "j >= a.columns", "j > a.columns"),
        overrun("dense.cuh", "dense", "k < a.rows * a.columns", "k <= a.rows * a.columns"),
        overrun("pool.cuh", "pool", "i >= a.windows", "i > a.windows"),
        overrun("descent.cuh", "descent", "i < first + n;", "i <= first + n;"),
        overrun("activation.cuh", "activation", "i < a.count", "i <= a.count"),
        overrun("activation.cuh", "activation", "i < a.count", "i <= a.count").occurrence(1),
        overrun("vector.cuh", "vector", "count - first < 4 ? int(count - first) : 4", "4"),
        overrun("vector.cuh", "reduction", "i < end;", "i <= end;"),
        overrun("vector.cuh", "reduction", "i < end;", "i <= end;").occurrence(1),
        overrun("vector.cuh", "reduction", "i < end;", "i <= end;").occurrence(2),
        overrun("vector.cuh", "reduction", "i < a.count;", "i <= a.count;"),
        overrun("vector.cuh", "reduction", "i < a.count;", "i <= a.count;").occurrence(1),
        overrun("conv_weights.cuh", "conv_weights", "i >= a.count", "i > a.count"),
        overrun("conv_weights.cuh", "conv_weights", "column < depth", "column <= depth"),
        overrun("conv_weights.cuh", "conv_weights", "row >= a.outputs", "row > a.outputs"),
        overrun("conv_weights.cuh", "conv_weights", "i * LINES < a.outputs", "i * LINES <= a.outputs"),
        overrun("conv_weights.cuh", "conv_weights", "< unsigned(a.input_h)", "<= unsigned(a.input_h)"),
        overrun("conv_weights.cuh", "conv_weights", "image < end_image", "image <= end_image"),
        overrun("conv.cuh", "conv", "v < a.source_h", "v <= a.source_h"),
        overrun("conv.cuh", "conv", "c < a.sources", "c <= a.sources"),
        overrun("conv.cuh", "conv", "c >= a.targets", "c > a.targets"),
        overrun("conv.cuh", "conv", "pixel < total", "pixel <= total"),
        overrun("conv.cuh", "conv", "i >= (long long)a.taps", "i > (long long)a.taps"),
        overrun("norm.cuh", "norm", "c >= a.channels", "c > a.channels"),
        overrun("norm.cuh", "norm", "c >= a.channels", "c > a.channels").occurrence(1),
        overrun("norm.cuh", "norm", "first < count", "first <= count"),
        overrun("norm.cuh", "norm", "image >= end", "image > end"),
        overrun("norm.cuh", "norm", "run >= plane", "run > plane"),
        // One past the end of shared memory.
        overrun("common.cuh", "dense", "sums[threadIdx.x] = x", "sums[threadIdx.x + 1] = x")
            .seen_in("dense.cuh", "dense")
            .found_by(Sanitizer::Address, "global-buffer-overflow")
            .short(),
        overrun("conv.cuh", "conv", "[row + i][t % BM]", "[row + i][t % BM + 1]")
            .found_by(Sanitizer::Address, "global-buffer-overflow"),
        overrun("conv_weights.cuh", "conv_weights", "= y_read[i];", "= ys[1][PIXELS - 1][BM + 4] = y_read[i];")
            .found_by(Sanitizer::Address, "global-buffer-overflow"),
        // Loads of four numbers that are not aligned. clang++ does not check copies of structures.
        overrun("norm.cuh", "norm", "if (a.pixels % 4 == 0)", "if (a.pixels % 2 == 0)")
            .found_by(Sanitizer::Memory, "misaligned address|the reference"),
        // Blocks that write the same place.
        race("dense.cuh", "dense", "a.y[blockIdx.x]", "a.y[0]").short(),
        race("vector.cuh", "vector", "4 * thread_number()", "4 * (long long)threadIdx.x"),
        race("pool.cuh", "pool", "i = thread_number()", "i = threadIdx.x"),
        race("norm.cuh", "norm", "a.parts + 2 * (blockIdx.x * (long long)a.number + blockIdx.y)", "a.parts"),
        race("conv_weights.cuh", "conv_weights", "(long long)blockIdx.z * a.outputs * depth", "0"),
        race("conv.cuh", "conv", "first_target = blockIdx.y * BN", "first_target = 0"),
        // Threads that write the same place.
        race("vector.cuh", "reduction", "if (threadIdx.x == 0) a.parts", "a.parts"),
        // Threads that find non-finite numbers write the same value to one flag: a race by design, and the only one.
        race("vector.cuh", "flag", "long long first = 4", "long long first = 4"),
        // Threads of a block that wait at different barriers.
        overrun("common.cuh", "dense", in_loop, divergent)
            .seen_in("dense.cuh", "dense")
            .found_by(Sanitizer::Memory, "divergent barrier"),
        // Results that are not written, or wrong.
        wrong("dense.cuh", "dense", "a.y[blockIdx.x] = T(sum)", "sum += 0").short(),
        wrong("pool.cuh", "pool", "a.y[i] = sum * share(a)", "sum += 0"),
        wrong("pool.cuh", "pool", "here > old", "here >= old"),
        wrong("vector.cuh", "vector", "*a.flag = a.serial", "finite = true"),
        wrong("norm.cuh", "norm", "count > 2 ? count - 1", "count > 2 ? count"),
        wrong("norm.cuh", "norm", "!a.relu ||", "true ||"),
        wrong("conv.cuh", "conv", "a.add ? *out", "false ? *out"),
        wrong("conv_weights.cuh", "conv_weights", "a.sum[i] += T(sum)", "a.sum[i] = T(sum)"),
        wrong("activation.cuh", "activation", "T(0.01) * x", "T(0.1) * x"),
        wrong("descent.cuh", "descent", "i < a.decaying", "i <= a.decaying"),
    ]
}

/// Every barrier of the source, removed.
pub fn barriers() -> Vec<Fault> {
    let mut found = vec![];
    for path in kernel_sources() {
        let text = std::fs::read_to_string(&path).expect("a source");
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        for (occurrence, (at, _)) in text.match_indices("__syncthreads();").enumerate() {
            let (kernels, family) = match file.as_str() {
                "common.cuh" if text[..at].contains("block_most(") => ("vector.cuh", "reduction"),
                "common.cuh" if occurrence == 1 => ("dense.cuh", "dense"),
                // Batch norm calls block_sum twice in a kernel.
                "common.cuh" => ("norm.cuh", "norm"),
                "conv.cuh" => ("conv.cuh", "conv"),
                "conv_weights.cuh" => ("conv_weights.cuh", "conv_weights"),
                _ => panic!("{file}: a barrier, and no case for it"),
            };
            let mut fault = race(kernels, family, "__syncthreads();", "").occurrence(occurrence);
            fault.file.clone_from(&file);
            fault.short = kernels == "dense.cuh";
            // Protects the array from a second call in the same kernel. No kernel calls block_most twice.
            if text[at..].find("return largest").is_some_and(|end| end < 60) {
                fault.report = None;
            }
            found.push(fault);
        }
    }
    assert!(found.len() >= 10, "barriers of the source");
    found
}
