//! A template, parsed.

use std::fs;
use std::path::PathBuf;

use hcl::{Block, Body, Expression};

pub(crate) const CLOUDS: [&str; 3] = ["aws", "gcp", "azure"];

/// The files of `templates/environment/<cloud>`.
pub(crate) struct Template {
    pub(crate) cloud: &'static str,
    pub(crate) blocks: Vec<Block>,
}

impl Template {
    pub(crate) fn folder(cloud: &str) -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../templates/environment")).join(cloud)
    }

    pub(crate) fn read(cloud: &'static str) -> Self {
        let mut blocks = Vec::new();
        for entry in fs::read_dir(Self::folder(cloud)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "tf") {
                let body = hcl::parse(&fs::read_to_string(&path).unwrap());
                let body: Body = body.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                blocks.extend(body.into_blocks());
            }
        }
        assert!(!blocks.is_empty(), "there is no template for {cloud}");
        Self { cloud, blocks }
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        CLOUDS.into_iter().map(Self::read)
    }

    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Block> {
        self.blocks.iter().filter(move |block| block.identifier() == kind)
    }

    /// What a variable is where nobody says it.
    pub(crate) fn default_of(&self, variable: &str) -> Option<&Expression> {
        let block = self.of_kind("variable").find(|block| name(block) == variable)?;
        attribute(block, "default")
    }
}

/// `google_compute_network.this`, `project_name`.
pub(crate) fn name(block: &Block) -> String {
    block.labels().iter().map(hcl::BlockLabel::as_str).collect::<Vec<_>>().join(".")
}

pub(crate) fn attribute<'a>(block: &'a Block, key: &str) -> Option<&'a Expression> {
    block.body().attributes().find(|attribute| attribute.key() == key).map(hcl::Attribute::expr)
}
