//! A trained network as a safetensors file: parameters and running statistics by the names of their layers, and
//! metadata. The same network and metadata give the same bytes.

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Map, Value};

use crate::digest::sha256_of_parts;
use crate::net::Network;
use crate::ode::expect_shape;

use super::tensors;

/// The key under which the metadata holds the digest of the tensors.
const DIGEST: &str = "sha256";

/// The running statistics of later evaluations in ODE blocks, where each evaluation has its own: they stand behind
/// those of the norms.
const REST: &str = "later_evaluations.statistics";

/// A trained network read back.
#[derive(Debug)]
pub struct Model {
    /// Metadata by name.
    pub metadata: BTreeMap<String, String>,
    /// Tensors by name: shape, and the bytes of `f32` (parameters) or `f64` (running statistics).
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

/// A tensor of a network: name, type, shape, and its place in the parameters or in the statistics.
fn layout(network: &Network) -> Vec<(String, Dtype, Vec<usize>, std::ops::Range<usize>)> {
    let parameters =
        network.parameters().iter().map(|p| (p.name.clone(), Dtype::F32, p.shape.clone(), p.range.clone()));
    let statistics = network.norms().iter().flat_map(|(name, place)| {
        let channels = place.len() / 2;
        let middle = place.start + channels;
        [("running_mean", place.start..middle), ("running_var", middle..place.end)]
            .map(|(role, place)| (format!("{name}.{role}"), Dtype::F64, vec![channels], place))
    });
    let end = network.norms().iter().map(|(_, place)| place.end).max().unwrap_or(0);
    let all = network.statistics().len();
    let rest = (all > end).then(|| (REST.to_owned(), Dtype::F64, vec![all - end], end..all));
    parameters.chain(statistics).chain(rest).collect()
}

impl Model {
    /// The file of a network with the parameters `theta` and the running `statistics`.
    ///
    /// # Errors
    /// Another number of parameters or statistics than the network has; those of the format.
    pub fn encode(
        network: &Network,
        theta: &[f32],
        statistics: &[f64],
        metadata: BTreeMap<String, String>,
    ) -> Result<Vec<u8>, String> {
        let statistics_count = network.statistics().len();
        for (what, found, expected) in
            [("theta", theta.len(), network.parameter_count()), ("statistics", statistics.len(), statistics_count)]
        {
            expect_shape(what, &[found], "the network", &[expected]).map_err(|error| error.to_string())?;
        }
        let tensors = layout(network).into_iter().map(|(name, dtype, shape, place)| {
            let bytes: Vec<u8> = if dtype == Dtype::F32 {
                theta[place].iter().flat_map(|x| x.to_le_bytes()).collect()
            } else {
                statistics[place].iter().flat_map(|x| x.to_le_bytes()).collect()
            };
            (name, (dtype, shape, bytes))
        });
        let mut model = Self { metadata, tensors: tensors.collect() };
        model.metadata.insert(DIGEST.into(), model.digest());
        model.bytes()
    }

    fn digest(&self) -> String {
        sha256_of_parts(self.tensors.iter().map(|(name, (_, _, bytes))| (name.as_str(), &bytes[..])))
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, bytes))| {
            TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name.clone(), view)).map_err(|e| e.to_string())
        });
        let plain = safetensors::serialize(views.collect::<Result<Vec<_>, _>>()?, None).map_err(|e| e.to_string())?;
        // The library writes metadata in random order.
        let (len, rest) = plain.split_at_checked(8).ok_or("no length")?;
        let len = u64::from_le_bytes(len.try_into().map_err(|_| "no length")?) as usize;
        let (header, data) = rest.split_at_checked(len).ok_or("no header")?;
        let tensors: Map<String, Value> = serde_json::from_slice(header).map_err(|e| e.to_string())?;
        let metadata = serde_json::to_value(&self.metadata).map_err(|e| e.to_string())?;
        let header = Map::from_iter([("__metadata__".to_owned(), metadata)].into_iter().chain(tensors));
        let mut header = serde_json::to_vec(&header).map_err(|e| e.to_string())?;
        header.resize(header.len().next_multiple_of(8), b' ');
        Ok([&(header.len() as u64).to_le_bytes(), &header[..], data].concat())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It is no such file, or was changed.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let header = tensors::header(bytes).map_err(|e| format!("not a safetensors file: {e}"))?;
        let metadata: BTreeMap<String, String> = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| format!("not a safetensors file: {e}"))?;
        let Some(digest) = metadata.get(DIGEST) else {
            return Err("it has no digest in its metadata: not a model of this program".into());
        };
        let views: BTreeMap<String, TensorView> = tensors.tensors().into_iter().collect();
        if *digest != sha256_of_parts(views.iter().map(|(name, view)| (name.as_str(), view.data()))) {
            return Err("its tensors do not have the digest in its metadata: the file was changed".into());
        }
        let tensor = |(name, view): (String, TensorView)| {
            let mut data = vec![];
            data.try_reserve_exact(view.data().len()).map_err(|e| format!("`{name}`: {e}"))?;
            data.extend_from_slice(view.data());
            Ok((name, (view.dtype(), view.shape().to_vec(), data)))
        };
        let tensors = views.into_iter().map(tensor).collect::<Result<_, String>>()?;
        Ok(Self { metadata, tensors })
    }

    /// Parameters and running statistics in the order of `network`.
    ///
    /// # Errors
    /// A tensor that the network does not have, or that is missing or has another type or shape.
    pub fn numbers(&self, network: &Network) -> Result<(Vec<f32>, Vec<f64>), String> {
        let mut theta = vec![0.0f32; network.parameter_count()];
        let mut statistics = network.statistics();
        let layout = layout(network);
        if let Some(name) = self.tensors.keys().find(|name| layout.iter().all(|(known, ..)| known != *name)) {
            return Err(format!("the network has no `{name}`"));
        }
        for (name, dtype, shape, place) in layout {
            let (found, its_shape, bytes) = self.tensors.get(&name).ok_or_else(|| format!("it has no `{name}`"))?;
            if (*found, its_shape) != (dtype, &shape) {
                return Err(format!("`{name}` is {found:?} {its_shape:?}; the network has {dtype:?} {shape:?}"));
            }
            if dtype == Dtype::F32 {
                let numbers = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
                theta[place].iter_mut().zip(numbers).for_each(|(to, x)| *to = x);
            } else {
                let numbers = bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b));
                statistics[place].iter_mut().zip(numbers).for_each(|(to, x)| *to = x);
            }
        }
        Ok((theta, statistics))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Form, network};

    fn net(width: usize) -> Network {
        Network::with_norms(&(network("resnet10").unwrap().build)(Form::Ode, width, 10), 2)
    }

    #[test]
    fn a_model_reads_back_bit_for_bit_under_the_names_of_its_layers() {
        let network = net(4);
        let theta: Vec<f32> = network.initial(3);
        let statistics: Vec<f64> = (0..network.statistics().len()).map(|i| 1.0 / (i + 3) as f64).collect();
        let metadata = BTreeMap::from(["net", "form", "data", "record"].map(|name| (name.to_owned(), "x".to_owned())));
        let bytes = Model::encode(&network, &theta, &statistics, metadata.clone()).unwrap();
        assert!(bytes == Model::encode(&network, &theta, &statistics, metadata).unwrap(), "the same bytes");
        let model = Model::decode(&bytes).unwrap();
        assert_eq!((model.metadata["net"].as_str(), model.metadata.len()), ("x", 5));
        for name in ["segment0.layer0.weight", "segment2.step1.layer1.running_var"] {
            assert!(model.tensors.contains_key(name), "{name}");
        }
        let found = model.numbers(&network).unwrap();
        assert!(found == (theta, statistics));
        let fault = model.numbers(&net(8)).unwrap_err();
        assert!(fault.contains("segment0.layer0.weight") && fault.contains("[4, 3, 3, 3]"), "{fault}");
    }

    #[test]
    fn damage_is_refused() {
        let network = net(4);
        let (theta, statistics): (Vec<f32>, _) = (network.initial(3), network.statistics());
        let bytes = Model::encode(&network, &theta, &statistics, BTreeMap::new()).unwrap();
        let mut flipped = bytes.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert!(Model::decode(&flipped).unwrap_err().contains("changed"));
        for len in [0, 7, 8, 100, bytes.len() - 1] {
            assert!(Model::decode(&bytes[..len]).is_err(), "{len}");
        }
        let encode = |theta: &[f32], statistics: &[f64]| Model::encode(&network, theta, statistics, BTreeMap::new());
        assert!(encode(&theta[1..], &statistics).unwrap_err().contains("theta: length"));
        assert!(encode(&theta, &statistics[1..]).unwrap_err().contains("statistics: length"));
        let plain = safetensors::serialize(Vec::<(String, TensorView)>::new(), None).unwrap();
        assert!(Model::decode(&plain).unwrap_err().contains("no digest"));
    }
}
