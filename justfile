# One line each; what they do is written in Rust.

# Bare guest, whole story: check, plan, apply, mirror, pull, destroy.
demo *ARGS:
    cargo demo {{ARGS}}

# Everything: format, lints, tests, servers, virtual machines.
verify *ARGS:
    cargo verify {{ARGS}}

# Unit and property tests of the crates.
test *ARGS:
    cargo test --workspace --exclude vm-tests --exclude integration {{ARGS}}

# A kill and a power cut at every change of files that a bastion makes: hours.
soak *ARGS:
    cargo test --package provision --test cli -- --ignored soak {{ARGS}}

# The crates together, against real servers.
integration *ARGS:
    cargo test --package integration {{ARGS}}

# The rules of the house.
tidy:
    cargo test --package integration --test tidy

# Format everything.
fmt:
    cargo fmt

# Warnings are errors.
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# What is shipped.
build:
    cargo build --release --package provision

# Power cuts at twenty moments of an apply in a guest: more than an hour.
soak-power:
    cargo test --package vm-tests --test scenarios -- --ignored --nocapture twenty_moments

# What plans and applies of many files cost, beside ansible-playbook.
bench-plan *ARGS:
    cargo run --quiet --package integration --bin bench-plan -- {{ARGS}}

# What a no-change apply of the bastion takes in a guest, beside ansible-playbook.
bench-guest:
    cargo run --quiet --package vm-tests --bin bench-guest

# The crates' documentation.
doc:
    cargo doc --no-deps --workspace

# Licences, bans and sources of the dependencies.
deny:
    cargo deny check licenses bans sources

# Look at changed golden texts, one by one.
review:
    cargo insta review
