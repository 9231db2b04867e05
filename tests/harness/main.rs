//! Tests of definitions, records, report and program, most of them end to end. One program, because linking each file
//! took longer than running it.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/documents.rs"]
mod documents;

mod book;
mod broken_images;
mod broken_input;
mod cifar10_jpeg;
mod columns;
mod commands;
mod committed;
mod compare;
mod containers;
mod data_choice;
mod data_files;
mod definitions;
mod extend;
mod fetch;
mod first_half_hour;
mod gpu_session;
mod handover;
mod hostile;
mod ids;
mod image_sets;
mod json;
mod kept_models;
mod labels;
mod log_of_steps;
mod messages;
mod numerics;
mod own;
mod plan;
mod program;
mod published;
mod python;
mod records;
mod refusals;
mod repeat;
mod report_page;
mod rooms;
mod runner;
mod selection;
mod shards;
mod slurm;
mod story;
mod tensorboard;
mod training_data;
mod which_record;
