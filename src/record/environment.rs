//! Where a run was computed.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::kernels::vector_instructions;

use super::Environment;

/// The environment now, for a run that took `seconds`. Where the device is not the processor,
/// [`Environment::accelerator`] is the caller's to set.
pub fn environment(device: &str, threads: usize, seconds: f64) -> Environment {
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Environment {
        device: device.into(),
        accelerator: None,
        processor: processor(),
        threads,
        version: env!("CARGO_PKG_VERSION").into(),
        commit: known(env!("ANODE_COMMIT")),
        dirty: known(env!("ANODE_DIRTY")).map(|d| d == "true"),
        rustc: env!("ANODE_RUSTC").into(),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        finished_at: utc(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())),
        seconds,
    }
}

/// The processor's model, with the vector instructions that decide which kernels run.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split_once(": ")).map_or(std::env::consts::ARCH, |(_, model)| model.trim());
    vector_instructions().map_or(model.to_owned(), |vectors| format!("{model} ({vectors})"))
}

/// What decides, on one device, whether results of a program are bit-identical: the GPU with its libraries, the vector
/// instructions of the processor, and the system with its architecture.
pub(super) fn instructions<'a>(
    accelerator: Option<&'a str>,
    processor: &'a str,
    system: &'a str,
) -> (Option<&'a str>, &'a str, &'a str) {
    let vectors = processor.rsplit_once(" (").map_or(processor, |(_, vectors)| vectors);
    // `AVX2` alone, in records of earlier programs, stands for kernels with other bits.
    (accelerator, if vectors == "AVX2 in pairs)" { "AVX-512)" } else { vectors }, system)
}

/// RFC 3339 in UTC of seconds since 1970 (civil date from days: Howard Hinnant's algorithm).
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) =
        (day_of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    #[test]
    fn seconds_become_dates() {
        assert_eq!(super::utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(super::utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(super::utc(1_550_000_000), "2019-02-12T19:33:20Z");
    }
}
