// Package dataset is the ground floor: the words that every stage shares, and the
// files that they write. FORMAT.md describes the bytes.
//
// Its rule: if DIR/manifest.json is there, everything that it names is complete, and
// the same inputs and options give the same bytes.
//
// A dataset on disk:
//
//	DIR/
//	  manifest.json                            written last
//	  phases/phase-1/shard-00000.parquet       RL samples of phase 1
//	  sft/phase-1/shard-00000.parquet          SFT samples, which carry a response
//	  samples/shard-00000.parquet              samples without phases (stages ingest and tokenize)
//	  quarantine/ingest.jsonl                  bad records, with place and reason
//	  tokenizer/                               the tokenizer's own files
//	  .work/                                   splits of a build that is not finished
//
// Between stages samples travel as Arrow record batches (batch.go); on disk they are
// Parquet (writer.go, reader.go). Every write goes through FS, so that tests can fail
// or crash any single operation.
package dataset
