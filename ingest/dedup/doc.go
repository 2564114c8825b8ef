// Package dedup tells which texts say nearly the same: signatures of documents, an index of
// those, and an index of word n-grams.
//
// Its rule: everything is a function of the words of a text, and what an index answers is a
// function of the order in which texts came. Words are runs of letters and digits in lower
// case; a character of a script that is written without spaces is a word by itself.
//
//	text ─Hash─▶ word hashes ─Sign─▶ Signature ─Index.Add─▶ which earlier text is near
//	                   └─────Grams.Find─▶ which indexed n-gram stands in it
//
// The cost: see BenchmarkSign and BenchmarkIndex. Hashing words runs at about the speed of one
// pass over the bytes, a signature adds some nanoseconds a word, and a text in the index takes
// about 300 bytes, however long it is.
//
// The Go libraries for MinHash and LSH were last touched in 2017 and hash each shingle once
// for each of the k values of a signature; for documents of 100,000 words that would cost
// more than tokenizing them. So this is the project's own, after the papers named below.
package dedup
