// Package eval measures a policy: it asks n responses for each sample, has them scored, and says
// what that means, with intervals.
//
// Its rule: nothing is asked twice and nothing is guessed. A response is on disk before it
// counts; a reward that is unknown is left out and counted, never 0; a sample that was not asked
// has a reason. The same responses and rewards give the same report, byte for byte.
//
//	OUTPUT/
//	  config.json               what was asked, of whom; written first. Another config is refused
//	  responses/segment-*.jsonl responses as they came, each line with its checksum
//	  judge.cache               verdicts of the judge
//	  rollouts.jsonl            every response with its reward; `pipeline score` reads it too
//	  samples.csv, results.csv  one line for each sample, one for each benchmark
//	  report.html               for a browser
//	  report.json               written last: if it is there, all that it names is complete
//
// What it costs: one sync for the responses that arrive together, and about 120 bytes of memory
// for each response; their texts stay on disk. DESIGN.md tells the choices.
package eval
