//! The points of a definition under a profile: which settings its runs have.

use serde_json::{Map, Value};

use super::{Definition, Grid, Profile};

/// One point of a grid: settings, and where in the file they were named.
#[derive(Clone, Debug)]
pub struct Point {
    /// The settings as the file gives them.
    pub settings: Map<String, Value>,
    /// JSON path of each setting.
    pub origin: Map<String, Value>,
    /// JSON path of its grid.
    pub grid: String,
    /// Master seeds: those of its grid, else the definition's.
    pub seeds: Vec<u64>,
}

/// The axis of a grid that is no setting: seeds of its own.
pub const SEED_AXIS: &str = "seed";

/// The grid, its path and the fixed settings that hold under a profile.
pub struct Resolved<'a> {
    /// The grids whose union is run.
    pub grid: &'a [Grid],
    /// JSON path of the grids.
    pub grid_path: String,
    /// Fixed settings, the profile's laid over the definition's, each with its path.
    pub fixed: Vec<(&'a String, &'a Value, String)>,
    /// Master seeds of grids that name none.
    pub seeds: &'a [u64],
}

impl Definition {
    /// What holds under `profile`; `None` where the definition has no such profile.
    pub fn resolve(&self, profile: Profile) -> Option<Resolved<'_>> {
        let over = self.profiles.get(&profile)?;
        let name = profile.name();
        let mut fixed: Vec<_> = self
            .fixed
            .iter()
            .filter(|(key, _)| !over.fixed.contains_key(*key))
            .map(|(k, v)| (k, v, format!("fixed.{k}")))
            .collect();
        fixed.extend(over.fixed.iter().map(|(k, v)| (k, v, format!("profiles.{name}.fixed.{k}"))));
        let (grid, grid_path) = match &over.grid {
            Some(grid) => (grid, format!("profiles.{name}.grid")),
            None => (&self.grid, "grid".to_owned()),
        };
        Some(Resolved { grid, grid_path, fixed, seeds: over.seeds.as_ref().unwrap_or(&self.seeds) })
    }
}

impl Resolved<'_> {
    /// Every point, grid by grid, the last axis fastest.
    pub fn points(&self) -> Vec<Point> {
        let mut points = vec![];
        for (number, grid) in self.grid.iter().enumerate() {
            let mut found = vec![self.base(number, grid)];
            for (axis, values) in grid.iter().filter(|(axis, _)| *axis != SEED_AXIS) {
                let path = |i: usize| format!("{}[{number}].{axis}[{i}]", self.grid_path);
                found = found
                    .iter()
                    .flat_map(|point| values.iter().enumerate().map(move |(i, value)| (point, i, value)))
                    .map(|(point, i, value)| {
                        let mut point = point.clone();
                        point.settings.insert(axis.clone(), value.clone());
                        point.origin.insert(axis.clone(), path(i).into());
                        point
                    })
                    .collect();
            }
            points.extend(found);
        }
        points
    }

    fn base(&self, number: usize, grid: &Grid) -> Point {
        let own = grid.get(SEED_AXIS).map(|seeds| seeds.iter().filter_map(Value::as_u64).collect());
        Point {
            seeds: own.unwrap_or_else(|| self.seeds.to_vec()),
            grid: format!("{}[{number}]", self.grid_path),
            settings: self.fixed.iter().map(|(k, v, _)| ((*k).clone(), (*v).clone())).collect(),
            origin: self.fixed.iter().map(|(k, _, path)| ((*k).clone(), path.clone().into())).collect(),
        }
    }
}

impl Profile {
    /// Every profile, smallest first.
    pub const ALL: [Profile; 3] = [Profile::Quick, Profile::Standard, Profile::Paper];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Quick => "quick",
            Profile::Standard => "standard",
            Profile::Paper => "paper",
        }
    }
}
