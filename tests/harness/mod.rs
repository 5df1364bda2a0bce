//! The harness of the system tests: real services, Warren's processes, and a client.

pub mod bare;
pub mod broker;
pub mod corpus;
pub mod docker;
pub mod dockerd;
pub mod doctor;
pub mod engine;
pub mod http;
pub mod images;
pub mod load;
pub mod machine;
pub mod meddler;
pub mod mongo;
pub mod mongod;
pub mod native;
pub mod proxy;
pub mod rabbitmq;
pub mod rootfs;
pub mod wait;
pub mod warren;
