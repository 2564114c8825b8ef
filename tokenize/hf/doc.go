// Package hf encodes with Hugging Face's own code, through github.com/daulet/tokenizers: a second reference for package bpe,
// and the engine for tokenizers that bpe refuses (Unigram, WordPiece, other normalizers).
//
// Its rule: text that the C interface would damage never reaches it. A NUL byte would cut the text, invalid UTF-8 would be
// replaced without a word; both are errors here.
//
// It exists only in builds with the tag hf, which link a static library that build.sh makes from source (8 minutes of CPU). It
// encodes 1 to 2 MB per second and core, some hundred times slower than bpe.
package hf
