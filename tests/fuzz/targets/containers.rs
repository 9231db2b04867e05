//! Inputs of several parts: records as a tar of their files, archives, checkpoints.

use std::io::Read;

use anode::digest::{sha256, sha256_of_parts};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::mutate;

/// A member of a tar archive.
#[derive(Clone)]
pub struct Member {
    pub name: String,
    /// The type in its header.
    pub kind: u8,
    pub bytes: Vec<u8>,
    /// A size in its header that is not that of its bytes.
    pub lie: Option<u64>,
}

impl Member {
    pub fn file(name: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.to_owned(), kind: b'0', bytes, lie: None }
    }

    pub fn rename(&mut self, random: &mut ChaCha8Rng) {
        let names =
            ["", "/", "..", "../x", "a/../../b", "run.json", "x/run.json", "a\\b", "x/\u{1b}[2J", "./a", "a//b"];
        self.name = names.choose(random).expect("some").repeat(if random.gen_ratio(1, 20) { 40 } else { 1 });
    }
}

/// The members of a tar archive, as far as it is sound.
pub fn unpack(bytes: &[u8]) -> Vec<Member> {
    let mut archive = tar::Archive::new(bytes);
    let Ok(entries) = archive.entries() else { return vec![] };
    let mut found = vec![];
    for entry in entries.raw(true) {
        let Ok(entry) = entry else { break };
        let (name, kind) =
            (String::from_utf8_lossy(&entry.path_bytes()).into_owned(), entry.header().as_old().linkflag[0]);
        let mut bytes = vec![];
        let _ = entry.take(1 << 20).read_to_end(&mut bytes);
        found.push(Member { name, kind, bytes, lie: None });
    }
    found
}

/// A tar archive of members, whatever they say.
pub fn repack(members: &[Member]) -> Vec<u8> {
    let mut found = vec![];
    for member in members {
        let mut header = tar::Header::new_ustar();
        let name = &member.name.as_bytes()[..member.name.len().min(100)];
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkflag = [member.kind];
        header.set_size(member.lie.unwrap_or(member.bytes.len() as u64));
        header.set_mode(0o644);
        header.set_cksum();
        found.extend_from_slice(header.as_bytes());
        found.extend_from_slice(&member.bytes);
        found.resize(found.len().next_multiple_of(512), 0);
    }
    found.resize(found.len() + 1024, 0);
    found
}

/// The files of a record.
pub fn parts(input: &[u8]) -> Vec<(String, Vec<u8>)> {
    unpack(input).into_iter().map(|m| (m.name, m.bytes)).collect()
}

/// Files as an input.
pub fn join(parts: &[(String, Vec<u8>)]) -> Vec<u8> {
    repack(&parts.iter().map(|(name, bytes)| Member::file(name, bytes.clone())).collect::<Vec<_>>())
}

/// Writes the digests of the other files into `run.json`.
pub fn seal(parts: &mut [(String, Vec<u8>)]) {
    let digests: Vec<(String, String)> = parts.iter().map(|(name, bytes)| (name.clone(), sha256(bytes))).collect();
    let Some((_, run)) = parts.iter_mut().find(|(name, _)| name == "run.json") else { return };
    let Ok(mut record) = serde_json::from_slice::<Value>(run) else { return };
    if let Some(files) = record.get_mut("files").and_then(Value::as_object_mut) {
        for (name, digest) in digests.iter().filter(|(name, _)| name != "run.json") {
            files.insert(name.clone(), digest.clone().into());
        }
        *run = serde_json::to_vec_pretty(&record).expect("JSON can be written");
    }
}

/// The same for each run of an archive.
pub fn seal_runs(members: &mut [Member]) {
    let folder = |m: &Member| m.name.split('/').next().unwrap_or_default().to_owned();
    let runs: Vec<String> = members.iter().filter(|m| m.name.ends_with("/run.json")).map(folder).collect();
    for run in runs {
        let own = |m: &Member| m.name.strip_prefix(&run).and_then(|n| n.strip_prefix('/')).map(str::to_owned);
        let mut parts: Vec<_> = members.iter().filter_map(|m| Some((own(m)?, m.bytes.clone()))).collect();
        seal(&mut parts);
        let record = parts.into_iter().find(|(name, _)| name == "run.json");
        let place = members.iter_mut().find(|m| own(m).as_deref() == Some("run.json"));
        if let (Some((_, bytes)), Some(member)) = (record, place) {
            member.bytes = bytes;
        }
    }
}

/// The bytes inside an xz stream, as far as it is sound.
pub fn unxzed(bytes: &[u8]) -> Vec<u8> {
    let mut found = vec![];
    let _ = lzma_rust2::XzReader::new_mem_limit(bytes, false, 1 << 14).take(1 << 22).read_to_end(&mut found);
    found
}

/// A safetensors file, mutated in its header, its numbers or its bytes; most often with the digest put right.
pub fn checkpoint(random: &mut ChaCha8Rng, input: &[u8], other: &[u8], words: &[&str]) -> Vec<u8> {
    let header = input.get(..8).map(|n| u64::from_le_bytes(n.try_into().expect("eight")) as usize);
    let whole = header.and_then(|n| Some((input.get(8..n.checked_add(8)?)?, input.get(n + 8..)?)));
    let (Some((header, data)), false) = (whole, random.gen_ratio(1, 5)) else {
        return mutate::bytes(random, input, other);
    };
    let (mut header, mut data) = (header.to_vec(), data.to_vec());
    match random.gen_range(0..3) {
        0 => header = mutate::json(random, &header, &header, words),
        1 => data = mutate::bytes(random, &data, other),
        _ => {
            // The counters stand where nothing else protects them.
            let start = data.len().saturating_sub(64);
            let end = mutate::bytes(random, &data[start..], &[0xff; 8]);
            data.truncate(start);
            data.extend(end);
        }
    }
    if random.gen_ratio(9, 10) {
        header = sealed(&header, &data).unwrap_or(header);
    }
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

/// The header with the digest of the tensors that it describes.
fn sealed(header: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let mut header: Value = serde_json::from_slice(header).ok()?;
    let tensor = |name: &str| -> &[u8] {
        let place = |i: usize| header.get(name)?.get("data_offsets")?.get(i)?.as_u64().map(|n| n as usize);
        place(0).zip(place(1)).and_then(|(from, to)| data.get(from..to)).unwrap_or_default()
    };
    let names = ["theta", "velocity", "statistics", "counters"];
    let digest = sha256_of_parts(names.map(|name| (name, tensor(name))));
    *header.get_mut("__metadata__")?.get_mut("sha256")? = digest.into();
    serde_json::to_vec(&header).ok()
}
