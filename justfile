# The commands of every day. Each stands beside its plain form: `just --list` shows them, and none needs just.

# cargo run --release -- demo
demo *arguments:
    cargo run --release -- demo {{arguments}}

# cargo check --workspace --all-targets
check:
    cargo check --workspace --all-targets

# cargo test
test *filter:
    cargo test --locked {{filter}}

# cargo fmt --all && cargo clippy --workspace --all-targets --locked -- -D warnings
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets --locked -- -D warnings

# cargo run -p xtask -- pages
pages:
    cargo run -p xtask -- pages

# cargo run -p xtask -- new-connector <name>
new-connector name:
    cargo run -p xtask -- new-connector {{name}}

# cargo fuzz run -s none <target>
fuzz target:
    cargo fuzz run -s none {{target}}

# .ci/run
ci:
    .ci/run

# cargo test --release --workspace -- --ignored --nocapture --test-threads 1
measure:
    ulimit -n 25000 && cargo test --release --workspace -- --ignored --nocapture --test-threads 1
