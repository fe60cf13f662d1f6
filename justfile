# Shortcuts; anything with logic is in xtask.

default:
    @just --list

# Build a release server and run the product's main job on a repository
demo repo:
    cargo run --release -- demo --repo {{ quote(repo) }}

# Start the seeded world for development, on SQLite
dev:
    cargo run -- serve --dev

# Format everything
fmt:
    cargo fmt --all
    cargo fmt --all --manifest-path xtask/Cargo.toml

# What fails fastest: format, lints, tidy, protos
check:
    cargo fmt --all --check
    cargo fmt --all --check --manifest-path xtask/Cargo.toml
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo clippy --manifest-path xtask/Cargo.toml --all-targets --locked -- -D warnings
    cargo xtask tidy
    buf lint

# All tests, or those with a word in their name, on SQLite and on a throwaway Postgres
test *filter:
    cargo xtask test {{ filter }}

# The product guide's scenarios, as a table of scenario and database
guide:
    cargo xtask test guide

# Open psql on a throwaway Postgres
psql:
    cargo xtask pg -- bash -c 'psql "$ELOHIM_TEST_PG"'

# Accept or reject changed snapshots
review:
    cargo insta review

# Exactly what runs before a change lands
ci:
    bash .ci/run
