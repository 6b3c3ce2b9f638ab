//! Tests that a panic in an exported function becomes a JavaScript error, and that the process goes on.

use std::path::Path;
use std::process::Command;
use std::{env, fs, process};

#[test]
fn a_panic_becomes_a_javascript_error() {
    // Cargo puts examples into a folder beside that of the tests.
    let test = env::current_exe().expect("this test is a file");
    let built = test.parent().and_then(Path::parent).expect("in a folder of the build").join("examples");
    let library = built.join(format!("{}panics{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX));
    let addon = env::temp_dir().join(format!("muster-panics-{}.node", process::id()));
    fs::copy(&library, &addon).expect("the example is built");

    let script = "
        const addon = require(process.argv[1]);
        try { addon.panic('out of luck'); } catch (error) { console.log(error instanceof Error, error.message); }
        console.log('alive');";
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node_modules/.bin/node");
    let node = if pinned.exists() { pinned.as_path() } else { Path::new("node") };
    let ran = Command::new(node).args(["-e", script]).arg(&addon).output().expect("Node runs");
    fs::remove_file(&addon).expect("removed");
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "true out of luck\nalive\n", "{ran:?}");
}
