//! Prints the service of a small web server for the podman version on the command line.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use provision_podman_units::{Container, PublishedPort, Tier, render};

fn main() -> Result<(), Box<dyn Error>> {
    let version = std::env::args().nth(1).unwrap_or_else(|| "5.4.2".to_owned());
    let container = Container {
        name: "web".into(),
        description: "A small web server".into(),
        image: "docker.io/library/nginx:1".into(),
        ports: vec![PublishedPort { address: None, host: 8080, container: 80 }],
        start_timeout: 60,
        stop_timeout: 10,
        ..Container::default()
    };
    let file = render(&container, Tier::of(version.parse()?))?;
    println!("{}\n{}", file.path, file.text);
    Ok(())
}
