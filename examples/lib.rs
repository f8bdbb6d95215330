//! Recipes, corpora and benchmarks; the programs are beside this file.
