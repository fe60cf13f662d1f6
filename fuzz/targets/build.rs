//! Lists the request message of every method of the contract, so that a new one is fuzzed
//! as soon as it is in `proto/`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const PROTO_ROOT: &str = "../../proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO_ROOT}");
    let mut files = Vec::new();
    collect_protos(Path::new(PROTO_ROOT), &mut files)?;
    files.sort();
    let set = protox::compile(&files, [PROTO_ROOT])?;

    let mut methods = BTreeMap::new();
    for file in set.file.iter().filter(|file| file.package().starts_with("elohim.")) {
        for service in &file.service {
            for method in &service.method {
                let path = format!("{}.{}/{}", file.package(), service.name(), method.name());
                methods.insert(path, rust_type(method.input_type())?);
            }
        }
    }
    let mut code = String::from("pub const REQUESTS: &[Request] = &[\n");
    for (path, request) in methods {
        writeln!(code, "    Request {{ method: {path:?}, check: check::<{request}> }},")?;
    }
    code.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::write(out.join("requests.rs"), code)?;
    Ok(())
}

/// `.elohim.agent.v1.PlanRequest` is `api::agent::PlanRequest`.
fn rust_type(name: &str) -> Result<String, Box<dyn Error>> {
    let mut parts = name.strip_prefix(".elohim.").unwrap_or_default().split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(package), Some("v1"), Some(message), None) => {
            Ok(format!("api::{package}::{message}"))
        }
        _ if name == ".google.protobuf.Empty" => Ok("()".to_owned()),
        _ => {
            Err(format!("{name} is no message of the contract: teach fuzz/targets/build.rs").into())
        }
    }
}

fn collect_protos(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_protos(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}
